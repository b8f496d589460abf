// Functions of libtorch that tch lacks. Functions that can fail return 0 on success, else write the reason,
// NUL-terminated, to `reason` (a buffer of `room` bytes).
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {
// While one exists, its thread records no gradients.
void *sleeve_torch_inference_new();
void sleeve_torch_inference_free(void *);

// Switches off TensorFloat-32, so that f32 means f32.
void sleeve_exact_f32();

// Changes a tensor's memory format to channels-last.
int sleeve_torch_channels_last(void *tensor, char *reason, size_t room);

// Copies between devices without waiting for the copy.
int sleeve_torch_copy_async(void *to, const void *from, char *reason, size_t room);

// A stream of CUDA device `index` with an event. `enter` makes it the thread's current stream until `leave`, which
// also records the event; `wait` waits for the last recorded event.
void *sleeve_torch_stream_new(int32_t index, char *reason, size_t room);
void sleeve_torch_stream_free(void *);
int sleeve_torch_stream_enter(void *stream, char *reason, size_t room);
int sleeve_torch_stream_leave(void *stream, char *reason, size_t room);
int sleeve_torch_stream_wait(void *stream, char *reason, size_t room);

// Between begin and end, records the types of this thread's convolutions and matrix products. `end` returns a bit for
// each type, by its number in c10::ScalarType: those of convolutions in the lower half, those of matrix products in the
// upper half.
void *sleeve_torch_types_begin();
uint64_t sleeve_torch_types_end(void *);
}
