#include "kernels.h"

namespace sleeve::kernels {

using lanes::Bfloat16;
using lanes::load;
using lanes::store;
using lanes::Vector;
using lanes::WIDTH;

namespace {

// Calls `function` with the first channel of every vector. The last vector may overlap the one before it: `function`
// treats each channel independently, and doing it twice gives the same result.
template <class T, class F> SLEEVE_INLINE void over_channels(std::int64_t channels, F &&function) {
  for (std::int64_t c = 0; c + WIDTH<T> <= channels; c += WIDTH<T>) {
    function(c);
  }
  if (channels % WIDTH<T> != 0) {
    function(channels - WIDTH<T>);
  }
}

// The gradient before SiLU, whose input is z.
template <class V> SLEEVE_INLINE void before_silu(V &gradient, const V &z) {
  V s;
  lanes::sigmoid(s, z);
  gradient = gradient * (s * (1 + z * (1 - s)));
}

template <class T>
SLEEVE_INLINE void moments_of(const T *x, std::int64_t rows, std::int64_t channels, Number<T> *mean,
                              Number<T> *squares) {
  using V = Vector<T>;
  using N = Number<T>;
  const N share = N(1) / N(rows);
  over_channels<T>(channels, [&](std::int64_t c) SLEEVE_LAMBDA {
    V sum = {}, value, square = {};
    for (std::int64_t r = 0; r < rows; r++) {
      load<T>(value, x + r * channels + c);
      sum += value;
    }
    sum *= share;
    for (std::int64_t r = 0; r < rows; r++) {
      load<T>(value, x + r * channels + c);
      V distance = value - sum;
      square += distance * distance;
    }
    store<N>(mean + c, sum);
    store<N>(squares + c, square);
  });
}

template <class T, bool ACTIVATED>
SLEEVE_INLINE void normalise_of(const T *x, T *y, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
                                const Number<T> *shift) {
  using V = Vector<T>;
  using N = Number<T>;
  for (std::int64_t r = 0; r < rows; r++, x += channels, y += channels) {
    over_channels<T>(channels, [&](std::int64_t c) SLEEVE_LAMBDA {
      V z, a, b;
      load<T>(z, x + c), load<N>(a, scale + c), load<N>(b, shift + c);
      z = z * a + b;
      if constexpr (ACTIVATED) {
        V s;
        lanes::sigmoid(s, z);
        z *= s;
      }
      store<T>(y + c, z);
    });
  }
}

template <class T, bool ACTIVATED>
SLEEVE_INLINE void sums_of(const T *x, const T *dy, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
                           const Number<T> *shift, Number<T> *sum, Number<T> *product) {
  using V = Vector<T>;
  using N = Number<T>;
  over_channels<T>(channels, [&](std::int64_t c) SLEEVE_LAMBDA {
    V a, b, total = {}, with_x = {};
    load<N>(a, scale + c), load<N>(b, shift + c);
    for (std::int64_t r = 0; r < rows; r++) {
      V value, g;
      load<T>(value, x + r * channels + c), load<T>(g, dy + r * channels + c);
      if constexpr (ACTIVATED) {
        V z = value * a + b;
        before_silu(g, z);
      }
      total += g;
      with_x += g * value;
    }
    store<N>(sum + c, total);
    store<N>(product + c, with_x);
  });
}

template <class T, bool ACTIVATED>
SLEEVE_INLINE void back_of(const T *x, const T *dy, T *dx, std::int64_t rows, std::int64_t channels,
                           const Number<T> *scale, const Number<T> *shift, const Number<T> *slope,
                           const Number<T> *offset) {
  using V = Vector<T>;
  using N = Number<T>;
  for (std::int64_t r = 0; r < rows; r++, x += channels, dy += channels, dx += channels) {
    over_channels<T>(channels, [&](std::int64_t c) SLEEVE_LAMBDA {
      V a, b, m, k, value, g;
      load<N>(a, scale + c), load<N>(b, shift + c), load<N>(m, slope + c), load<N>(k, offset + c);
      load<T>(value, x + c), load<T>(g, dy + c);
      if constexpr (ACTIVATED) {
        V z = value * a + b;
        before_silu(g, z);
      }
      store<T>(dx + c, V(g * a + value * m + k));
    });
  }
}

template <class T>
SLEEVE_INLINE void sum_rows_of(const T *x, const T *y, std::int64_t rows, std::int64_t channels, Number<T> *sum) {
  using V = Vector<T>;
  using N = Number<T>;
  over_channels<T>(channels, [&](std::int64_t c) SLEEVE_LAMBDA {
    V total = {};
    for (std::int64_t r = 0; r < rows; r++) {
      V one, other;
      load<T>(one, x + r * channels + c);
      if (y != nullptr) {
        load<T>(other, y + r * channels + c);
        one *= other;
      }
      total += one;
    }
    store<N>(sum + c, total);
  });
}

template <class T>
SLEEVE_INLINE void scale_rows_of(const T *x, T *y, std::int64_t rows, std::int64_t channels, const Number<T> *scale,
                                 const Number<T> *shift) {
  using V = Vector<T>;
  using N = Number<T>;
  for (std::int64_t r = 0; r < rows; r++, x += channels, y += channels) {
    over_channels<T>(channels, [&](std::int64_t c) SLEEVE_LAMBDA {
      V value, a, b = {};
      load<T>(value, x + c), load<N>(a, scale + c);
      if (shift != nullptr) {
        load<N>(b, shift + c);
      }
      store<T>(y + c, V(value * a + b));
    });
  }
}

template <class T, int K, int S>
SLEEVE_INLINE void depthwise_of(const Depthwise &shape, std::int64_t channel, const T *x, const T *dy,
                                const Number<T> *weights, Number<T> *dweights, T *dx, Vector<T> *room) {
  using V = Vector<T>;
  using N = Number<T>;
  constexpr std::int64_t P = (K - 1) / 2;
  const std::int64_t wide = shape.width + 2 * P, channels = shape.channels, positions = shape.bordered();
  // The map with its border of zeros.
  std::memset(room, 0, positions * sizeof(V));
  for (std::int64_t h = 0; h < shape.height; h++) {
    for (std::int64_t w = 0; w < shape.width; w++) {
      load<T>(room[(h + P) * wide + w + P], x + (h * shape.width + w) * channels + channel);
    }
  }
  V of_weights[K * K] = {};
  for (std::int64_t h = 0; h < shape.out_height; h++) {
    const V *row = room + h * S * wide;
    const T *gradient = dy + h * shape.out_width * channels + channel;
    for (std::int64_t w = 0; w < shape.out_width; w++, row += S, gradient += channels) {
      V g;
      load<T>(g, gradient);
#pragma GCC unroll 5
      for (int i = 0; i < K; i++) {
#pragma GCC unroll 5
        for (int j = 0; j < K; j++) {
          of_weights[i * K + j] += g * row[i * wide + j];
        }
      }
    }
  }
  for (int k = 0; k < K * K; k++) {
    store<N>(dweights + k * channels + channel, of_weights[k]);
  }
  if (dx == nullptr) {
    return;
  }
  V taps[K * K];
  for (int k = 0; k < K * K; k++) {
    load<N>(taps[k], weights + k * channels + channel);
  }
  std::memset(room, 0, positions * sizeof(V));
  for (std::int64_t h = 0; h < shape.out_height; h++) {
    V *row = room + h * S * wide;
    const T *gradient = dy + h * shape.out_width * channels + channel;
    for (std::int64_t w = 0; w < shape.out_width; w++, row += S, gradient += channels) {
      V g;
      load<T>(g, gradient);
#pragma GCC unroll 5
      for (int i = 0; i < K; i++) {
#pragma GCC unroll 5
        for (int j = 0; j < K; j++) {
          row[i * wide + j] += g * taps[i * K + j];
        }
      }
    }
  }
  for (std::int64_t h = 0; h < shape.height; h++) {
    for (std::int64_t w = 0; w < shape.width; w++) {
      store<T>(dx + (h * shape.width + w) * channels + channel, room[(h + P) * wide + w + P]);
    }
  }
}

} // namespace

// Templates cannot have target clones, so each precision has its own functions.
#define SLEEVE_KERNELS(T, SUFFIX)                                                                                      \
  SLEEVE_CLONES static void moments_##SUFFIX(const T *x, std::int64_t rows, std::int64_t channels, Number<T> *mean,    \
                                             Number<T> *squares) {                                                     \
    moments_of<T>(x, rows, channels, mean, squares);                                                                   \
  }                                                                                                                    \
  template <>                                                                                                          \
  void moments<T>(const T *x, std::int64_t rows, std::int64_t channels, Number<T> *mean, Number<T> *squares) {         \
    moments_##SUFFIX(x, rows, channels, mean, squares);                                                                \
  }                                                                                                                    \
  SLEEVE_CLONES static void normalise_##SUFFIX(const T *x, T *y, std::int64_t rows, std::int64_t channels,             \
                                               const Number<T> *scale, const Number<T> *shift, bool activated) {       \
    activated ? normalise_of<T, true>(x, y, rows, channels, scale, shift)                                              \
              : normalise_of<T, false>(x, y, rows, channels, scale, shift);                                            \
  }                                                                                                                    \
  template <>                                                                                                          \
  void normalise<T>(const T *x, T *y, std::int64_t rows, std::int64_t channels, const Number<T> *scale,                \
                    const Number<T> *shift, bool activated) {                                                          \
    normalise_##SUFFIX(x, y, rows, channels, scale, shift, activated);                                                 \
  }                                                                                                                    \
  SLEEVE_CLONES static void sums_##SUFFIX(const T *x, const T *dy, std::int64_t rows, std::int64_t channels,           \
                                          const Number<T> *scale, const Number<T> *shift, bool activated,              \
                                          Number<T> *sum, Number<T> *product) {                                        \
    activated ? sums_of<T, true>(x, dy, rows, channels, scale, shift, sum, product)                                    \
              : sums_of<T, false>(x, dy, rows, channels, scale, shift, sum, product);                                  \
  }                                                                                                                    \
  template <>                                                                                                          \
  void normalise_sums<T>(const T *x, const T *dy, std::int64_t rows, std::int64_t channels, const Number<T> *scale,    \
                         const Number<T> *shift, bool activated, Number<T> *sum, Number<T> *product) {                 \
    sums_##SUFFIX(x, dy, rows, channels, scale, shift, activated, sum, product);                                       \
  }                                                                                                                    \
  SLEEVE_CLONES static void back_##SUFFIX(const T *x, const T *dy, T *dx, std::int64_t rows, std::int64_t channels,    \
                                          const Number<T> *scale, const Number<T> *shift, bool activated,              \
                                          const Number<T> *slope, const Number<T> *offset) {                           \
    activated ? back_of<T, true>(x, dy, dx, rows, channels, scale, shift, slope, offset)                               \
              : back_of<T, false>(x, dy, dx, rows, channels, scale, shift, slope, offset);                             \
  }                                                                                                                    \
  template <>                                                                                                          \
  void normalise_back<T>(const T *x, const T *dy, T *dx, std::int64_t rows, std::int64_t channels,                     \
                         const Number<T> *scale, const Number<T> *shift, bool activated, const Number<T> *slope,       \
                         const Number<T> *offset) {                                                                    \
    back_##SUFFIX(x, dy, dx, rows, channels, scale, shift, activated, slope, offset);                                  \
  }                                                                                                                    \
  SLEEVE_CLONES static void sum_rows_##SUFFIX(const T *x, const T *y, std::int64_t rows, std::int64_t channels,        \
                                              Number<T> *sum) {                                                        \
    sum_rows_of<T>(x, y, rows, channels, sum);                                                                         \
  }                                                                                                                    \
  template <>                                                                                                          \
  void sum_rows<T>(const T *x, const T *y, std::int64_t rows, std::int64_t channels, Number<T> *sum) {                 \
    sum_rows_##SUFFIX(x, y, rows, channels, sum);                                                                      \
  }                                                                                                                    \
  SLEEVE_CLONES static void scale_rows_##SUFFIX(const T *x, T *y, std::int64_t rows, std::int64_t channels,            \
                                                const Number<T> *scale, const Number<T> *shift) {                      \
    scale_rows_of<T>(x, y, rows, channels, scale, shift);                                                              \
  }                                                                                                                    \
  template <>                                                                                                          \
  void scale_rows<T>(const T *x, T *y, std::int64_t rows, std::int64_t channels, const Number<T> *scale,               \
                     const Number<T> *shift) {                                                                         \
    scale_rows_##SUFFIX(x, y, rows, channels, scale, shift);                                                           \
  }                                                                                                                    \
  SLEEVE_DEPTHWISE(T, SUFFIX, 3, 1)                                                                                    \
  SLEEVE_DEPTHWISE(T, SUFFIX, 3, 2)                                                                                    \
  SLEEVE_DEPTHWISE(T, SUFFIX, 5, 1)                                                                                    \
  SLEEVE_DEPTHWISE(T, SUFFIX, 5, 2)                                                                                    \
  template <>                                                                                                          \
  void depthwise_back<T>(const Depthwise &shape, std::int64_t channel, const T *x, const T *dy,                        \
                         const Number<T> *weights, Number<T> *dweights, T *dx, Vector<T> *room) {                      \
    auto function = shape.kernel == 3 ? (shape.stride == 1 ? depthwise_##SUFFIX##_3_1 : depthwise_##SUFFIX##_3_2)      \
                                      : (shape.stride == 1 ? depthwise_##SUFFIX##_5_1 : depthwise_##SUFFIX##_5_2);     \
    function(shape, channel, x, dy, weights, dweights, dx, room);                                                      \
  }

#define SLEEVE_DEPTHWISE(T, SUFFIX, K, S)                                                                              \
  SLEEVE_CLONES static void depthwise_##SUFFIX##_##K##_##S(                                                            \
      const Depthwise &shape, std::int64_t channel, const T *x, const T *dy, const Number<T> *weights,                 \
      Number<T> *dweights, T *dx, Vector<T> *room) {                                                                   \
    depthwise_of<T, K, S>(shape, channel, x, dy, weights, dweights, dx, room);                                         \
  }

SLEEVE_KERNELS(float, f32)
SLEEVE_KERNELS(double, f64)
SLEEVE_KERNELS(Bfloat16, bf16)

} // namespace sleeve::kernels
