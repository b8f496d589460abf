#include "native.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace sleeve {

namespace {

c10::DeviceType device_type(bool cuda) { return cuda ? c10::DeviceType::CUDA : c10::DeviceType::CPU; }

} // namespace

Autocast::Autocast(bool cuda) : cuda(cuda) {
  auto type = device_type(cuda);
  enabled_before = at::autocast::is_autocast_enabled(type);
  type_before = static_cast<int>(at::autocast::get_autocast_dtype(type));
  at::autocast::set_autocast_enabled(type, true);
  at::autocast::set_autocast_dtype(type, at::kBFloat16);
  at::autocast::increment_nesting();
}

Autocast::~Autocast() {
  // The casts of the weights are cached until then.
  if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
  at::autocast::set_autocast_enabled(device_type(cuda), enabled_before);
  at::autocast::set_autocast_dtype(device_type(cuda), static_cast<at::ScalarType>(type_before));
}

std::unique_ptr<Autocast> bfloat16_autocast(bool cuda) { return std::make_unique<Autocast>(cuda); }

std::size_t current_cuda_stream(std::int32_t index) {
  const auto *cuda = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA);
  c10::Device device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
  cuda->setDevice(device);
  return reinterpret_cast<std::size_t>(cuda->getStream(device).native_handle());
}

struct Store::Inside {
  c10::intrusive_ptr<c10d::Store> store;
};

Store::Store(const std::string &host, std::uint16_t port, bool serves, const std::string &prefix,
             std::uint64_t timeout_ms)
    : inside(std::make_unique<Inside>()) {
  c10d::TCPStoreOptions options;
  options.port = port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = std::chrono::milliseconds(timeout_ms);
  auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
  inside->store = c10::make_intrusive<c10d::PrefixStore>(prefix, store);
}

Store::~Store() = default;

void Store::set(rust::Str key, rust::Slice<const std::uint8_t> value) const {
  inside->store->set(std::string(key), std::vector<std::uint8_t>(value.begin(), value.end()));
}

rust::Vec<std::uint8_t> Store::get(rust::Str key) const {
  rust::Vec<std::uint8_t> bytes;
  for (auto byte : inside->store->get(std::string(key))) {
    bytes.push_back(byte);
  }
  return bytes;
}

bool Store::has(rust::Str key) const { return inside->store->check({std::string(key)}); }

std::unique_ptr<Store> new_store(rust::Str host, std::uint16_t port, bool serves, rust::Str prefix,
                                 std::uint64_t timeout_ms) {
  return std::make_unique<Store>(std::string(host), port, serves, std::string(prefix), timeout_ms);
}

struct Gloo::Inside {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

Gloo::Gloo(const Store &store, std::int32_t rank, std::int32_t size, std::uint64_t timeout_ms)
    : inside(std::make_unique<Inside>()) {
  auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::milliseconds(timeout_ms));
  // PyTorch's variable for machines with several networks.
  const char *interface = std::getenv("GLOO_SOCKET_IFNAME");
  options->devices.push_back(interface != nullptr && *interface != '\0'
                                 ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                                 : c10d::ProcessGroupGloo::createDefaultDevice());
  auto own = c10::make_intrusive<c10d::PrefixStore>("gloo", store.inside->store);
  inside->group = c10::make_intrusive<c10d::ProcessGroupGloo>(own, rank, size, options);
}

Gloo::~Gloo() = default;

void Gloo::sum(const Tensor &tensor) const {
  std::vector<at::Tensor> tensors{tensor};
  inside->group->allreduce(tensors)->wait();
}

void Gloo::broadcast(const Tensor &tensor) const {
  std::vector<at::Tensor> tensors{tensor};
  inside->group->broadcast(tensors)->wait();
}

std::unique_ptr<Gloo> new_gloo(const Store &store, std::int32_t rank, std::int32_t size, std::uint64_t timeout_ms) {
  return std::make_unique<Gloo>(store, rank, size, timeout_ms);
}

} // namespace sleeve
