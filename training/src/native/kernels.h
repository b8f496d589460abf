// The loops for `layers.h`, over maps with contiguous channels: `rows` positions (of all patches) by channels, at least
// 16 of them. Every sum is over pieces of a fixed size, in order, so that no result depends on the number of threads.
#pragma once

#include <cstdint>

#include "lanes.h"

namespace sleeve::kernels {

template <class T> using Number = lanes::Number<T>;

// For each channel: the mean over some rows, and the sum of squared distances from it.
template <class T> void moments(const T *x, std::int64_t rows, std::int64_t channels, Number<T> *mean, Number<T> *squares);

// x * scale + shift, and SiLU of that if `activated`.
template <class T>
void normalise(const T *x, T *y, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
               const Number<T> *shift, bool activated);

// The backward pass: for each channel, the sum of the gradient before SiLU, and of that times x.
template <class T>
void normalise_sums(const T *x, const T *dy, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
                    const Number<T> *shift, bool activated, Number<T> *sum, Number<T> *product);

// gradient before SiLU * scale + x * slope + offset.
template <class T>
void normalise_back(const T *x, const T *dy, T *dx, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
                    const Number<T> *shift, bool activated, const Number<T> *slope, const Number<T> *offset);

// For each channel: the sum over rows of x, or of x times y if there is a y.
template <class T>
void sum_rows(const T *x, const T *y, std::int64_t rows, std::int64_t channels, Number<T> *sum);

// x * scale, plus a shift if there is one.
template <class T>
void scale_rows(const T *x, T *y, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
                const Number<T> *shift);

// A depthwise convolution of one patch.
struct Depthwise {
  std::int64_t channels, height, width, out_height, out_width;
  int kernel, stride;

  std::int64_t padding() const { return (kernel - 1) / 2; }
  // Positions of a map with its border.
  std::int64_t bordered() const { return (height + 2 * padding()) * (width + 2 * padding()); }
};

// The size of the buffer for `depthwise_back`, in vectors.
template <class T> std::int64_t depthwise_room(const Depthwise &shape) { return shape.bordered(); }

// The backward pass for one patch and one vector of channels, starting with `channel`. `weights` and `dweights` are
// [kernel * kernel, channels]; `room` has `depthwise_room` vectors. `dx` may be null.
template <class T>
void depthwise_back(const Depthwise &shape, std::int64_t channel, const T *x, const T *dy, const Number<T> *weights,
                    Number<T> *dweights, T *dx, lanes::Vector<T> *room);

} // namespace sleeve::kernels
