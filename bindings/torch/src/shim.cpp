#include "shim.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstring>
#include <exception>
#include <memory>

namespace {

void say(const char *what, char *reason, size_t room) {
  if (room > 0) {
    std::strncpy(reason, what, room - 1);
    reason[room - 1] = '\0';
  }
}

template <typename Function>
int protect(char *reason, size_t room, Function function) {
  try {
    function();
    return 0;
  } catch (const std::exception &error) {
    say(error.what(), reason, room);
  } catch (...) {
    say("an unknown C++ exception", reason, room);
  }
  return 1;
}

struct Stream {
  const c10::impl::DeviceGuardImplInterface *device;
  c10::Stream stream;
  c10::Event event;
  c10::Stream previous;
  c10::Device previous_device;

  explicit Stream(c10::DeviceIndex index)
      : device(c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)),
        stream(device->getStreamFromGlobalPool(c10::Device(c10::DeviceType::CUDA, index))),
        event(c10::DeviceType::CUDA),
        previous(stream),
        previous_device(c10::DeviceType::CUDA, index) {}
};

// One bit for each type of convolutions, and above them one for each type of matrix products.
constexpr int kProducts = 32;
thread_local uint64_t types = 0;

std::unique_ptr<at::ObserverContext> note_types(const at::RecordFunction &function) {
  const char *name = function.name();
  bool is_convolution = std::strstr(name, "convolution");
  bool is_product = !std::strcmp(name, "aten::linear") || !std::strcmp(name, "aten::addmm") ||
                    !std::strcmp(name, "aten::matmul");
  if (is_convolution || is_product) {
    for (const auto &input : function.inputs()) {
      if (input.isTensor() && input.toTensor().defined()) {
        int type = static_cast<int>(input.toTensor().scalar_type());
        types |= type < kProducts ? uint64_t(1) << (type + (is_product ? kProducts : 0)) : 0;
      }
    }
  }
  return nullptr;
}

} // namespace

extern "C" {

void *sleeve_torch_inference_new() { return new c10::InferenceMode(true); }

void sleeve_torch_inference_free(void *guard) { delete static_cast<c10::InferenceMode *>(guard); }

void sleeve_exact_f32() {
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

int sleeve_torch_channels_last(void *tensor, char *reason, size_t room) {
  return protect(reason, room, [&] {
    auto &target = *static_cast<at::Tensor *>(tensor);
    target.set_data(target.contiguous(at::MemoryFormat::ChannelsLast));
  });
}

int sleeve_torch_copy_async(void *to, const void *from, char *reason, size_t room) {
  return protect(reason, room, [&] {
    static_cast<at::Tensor *>(to)->copy_(*static_cast<const at::Tensor *>(from), /*non_blocking=*/true);
  });
}

void *sleeve_torch_stream_new(int32_t index, char *reason, size_t room) {
  Stream *stream = nullptr;
  protect(reason, room, [&] { stream = new Stream(static_cast<c10::DeviceIndex>(index)); });
  return stream;
}

void sleeve_torch_stream_free(void *stream) { delete static_cast<Stream *>(stream); }

int sleeve_torch_stream_enter(void *pointer, char *reason, size_t room) {
  return protect(reason, room, [&] {
    auto &self = *static_cast<Stream *>(pointer);
    self.previous_device = self.device->exchangeDevice(self.stream.device());
    self.previous = self.device->exchangeStream(self.stream);
  });
}

int sleeve_torch_stream_leave(void *pointer, char *reason, size_t room) {
  auto &self = *static_cast<Stream *>(pointer);
  int status = protect(reason, room, [&] { self.event.record(self.stream); });
  int restored = protect(status ? nullptr : reason, status ? 0 : room, [&] {
    self.device->exchangeStream(self.previous);
    self.device->setDevice(self.previous_device);
  });
  return status | restored;
}

int sleeve_torch_stream_wait(void *pointer, char *reason, size_t room) {
  return protect(reason, room, [&] { static_cast<Stream *>(pointer)->event.synchronize(); });
}

void *sleeve_torch_types_begin() {
  types = 0;
  return new at::CallbackHandle(at::addThreadLocalCallback(
      at::RecordFunctionCallback(note_types).needsInputs(true).scopes({at::RecordScope::FUNCTION})));
}

uint64_t sleeve_torch_types_end(void *pointer) {
  auto handle = static_cast<at::CallbackHandle *>(pointer);
  at::removeCallback(*handle);
  delete handle;
  return types;
}

} // extern "C"
