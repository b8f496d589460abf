// The parts of libtorch's C++ that tch lacks: bfloat16 autocast, the current CUDA stream, and c10d's store and Gloo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <rust/cxx.h>

namespace at {
class Tensor;
}

namespace sleeve {

using Tensor = at::Tensor;

// While it exists, convolutions and products of its thread are computed in bfloat16, on the CPU or on CUDA.
class Autocast {
public:
  explicit Autocast(bool cuda);
  ~Autocast();
  Autocast(const Autocast &) = delete;
  Autocast &operator=(const Autocast &) = delete;

private:
  bool cuda;
  bool enabled_before;
  int type_before;
};

std::unique_ptr<Autocast> bfloat16_autocast(bool cuda);

// Makes a CUDA device the current one of this thread; returns its current stream, a cudaStream_t.
std::size_t current_cuda_stream(std::int32_t device);

// A connection to the store in torchrun's convention: keys and values that all processes share.
class Store {
public:
  Store(const std::string &host, std::uint16_t port, bool serves, const std::string &prefix, std::uint64_t timeout_ms);
  ~Store();
  void set(rust::Str key, rust::Slice<const std::uint8_t> value) const;
  // Waits for the key.
  rust::Vec<std::uint8_t> get(rust::Str key) const;
  bool has(rust::Str key) const;

  struct Inside;
  std::unique_ptr<Inside> inside;
};

std::unique_ptr<Store> new_store(rust::Str host, std::uint16_t port, bool serves, rust::Str prefix,
                                 std::uint64_t timeout_ms);

// Gloo between the processes of a store; each call blocks until it is done.
class Gloo {
public:
  Gloo(const Store &store, std::int32_t rank, std::int32_t size, std::uint64_t timeout_ms);
  ~Gloo();
  void sum(const Tensor &tensor) const;
  void broadcast(const Tensor &tensor) const;

private:
  struct Inside;
  std::unique_ptr<Inside> inside;
};

std::unique_ptr<Gloo> new_gloo(const Store &store, std::int32_t rank, std::int32_t size, std::uint64_t timeout_ms);

} // namespace sleeve
