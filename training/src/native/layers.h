// The encoder's layers on the CPU, with backward passes through autograd: each does in one pass what libtorch does in
// several or slowly. Maps are [patches, channels, rows, columns] with contiguous channels; other layouts are copied.
#pragma once

#include <cstdint>

#include <rust/cxx.h>

namespace at {
class Tensor;
}

namespace sleeve {

using Tensor = at::Tensor;

// All functions write their result to `out`.

// Batch norm with the batch's statistics, which also update the running ones, and SiLU if `activated`.
void norm(Tensor &out, const Tensor &x, const Tensor &weight, const Tensor &bias, const Tensor &running_mean,
          const Tensor &running_var, double momentum, double epsilon, bool activated);

// A depthwise convolution without bias: weight [channels, 1, kernel, kernel], a kernel of 3 or 5 with half as much
// padding, a stride of 1 or 2, and a multiple of 16 channels.
void depthwise(Tensor &out, const Tensor &x, const Tensor &weight, std::int64_t stride);

// Squeeze-and-excite: x times sigmoid(fc2(SiLU(fc1(the mean of each channel)))), layers with weights [outputs, inputs, 1, 1].
void gate(Tensor &out, const Tensor &x, const Tensor &weight1, const Tensor &bias1, const Tensor &weight2,
          const Tensor &bias2);

// A step of Adam on one vector: weights, gradients, running means of them and of their squares, and the number of this
// step, from 1.
void adam(const Tensor &weights, const Tensor &gradients, const Tensor &mean, const Tensor &square, double step,
          double rate, double beta1, double beta2, double weight_decay, double epsilon);

} // namespace sleeve
