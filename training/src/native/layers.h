// The encoder's layers on the CPU, forwards and, through autograd, backwards: what libtorch computes in several passes
// over a map, or slowly, in one. Maps are [patches, channels, rows, columns] with channels side by side; others are copied.
#pragma once

#include <cstdint>

#include <rust/cxx.h>

namespace at {
class Tensor;
}

namespace sleeve {

using Tensor = at::Tensor;

// Each puts its result into `out`.

// Batch norm by the batch's statistics, which the running ones follow, and SiLU if `activated`.
void norm(Tensor &out, const Tensor &x, const Tensor &weight, const Tensor &bias, const Tensor &running_mean,
          const Tensor &running_var, double momentum, double epsilon, bool activated);

// A convolution of each channel on its own, without bias: weight [channels, 1, kernel, kernel], a kernel of 3 or 5 with
// a border of half as much, a stride of 1 or 2, and a multiple of 16 channels.
void depthwise(Tensor &out, const Tensor &x, const Tensor &weight, std::int64_t stride);

// Squeeze-and-excite: x times sigmoid(fc2(SiLU(fc1(the mean of each channel)))), layers with weights [outputs, inputs, 1, 1].
void gate(Tensor &out, const Tensor &x, const Tensor &weight1, const Tensor &bias1, const Tensor &weight2,
          const Tensor &bias2);

// A step of Adam over one vector: weights, gradients, running means of them and of their squares, and the number of this
// step, from 1.
void adam(const Tensor &weights, const Tensor &gradients, const Tensor &mean, const Tensor &square, double step,
          double rate, double beta1, double beta2, double weight_decay, double epsilon);

} // namespace sleeve
