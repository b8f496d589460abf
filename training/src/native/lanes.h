// Vectors: how values of each precision are loaded, computed and stored.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define SLEEVE_INLINE inline __attribute__((always_inline))
#define SLEEVE_LAMBDA __attribute__((always_inline))
// One version of each function for each generation of processors; the newest supported one is chosen when the program
// starts.
#if defined(__x86_64__) && defined(__gnu_linux__)
#define SLEEVE_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define SLEEVE_CLONES
#endif

namespace sleeve::lanes {

using Floats = float __attribute__((vector_size(64)));
using Doubles = double __attribute__((vector_size(64)));
using Words = std::int32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(32)));

// A bfloat16 value: the upper half of a single-precision value.
struct Bfloat16 {
  std::uint16_t bits;
};

// The type for computations on values of a type.
template <class T> struct Computed {
  using Number = float;
  using Vector = Floats;
};
template <> struct Computed<double> {
  using Number = double;
  using Vector = Doubles;
};

template <class T> using Number = typename Computed<T>::Number;
template <class T> using Vector = typename Computed<T>::Vector;
template <class T> constexpr std::int64_t WIDTH = sizeof(Vector<T>) / sizeof(Number<T>);

template <class T> SLEEVE_INLINE void load(Vector<T> &vector, const T *from) {
  if constexpr (sizeof(T) == 2) {
    Halves halves;
    std::memcpy(&halves, from, sizeof halves);
    vector = reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
  } else {
    std::memcpy(&vector, from, sizeof vector);
  }
}

// To the nearest, ties to even, as everywhere in PyTorch; NaN stays NaN.
template <class T> SLEEVE_INLINE void store(T *to, const Vector<T> &vector) {
  if constexpr (sizeof(T) == 2) {
    Words bits = reinterpret_cast<Words>(vector);
    Words rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    rounded = (vector == vector) ? rounded : Words{} + 0x7FC0;
    Halves halves = __builtin_convertvector(rounded, Halves);
    std::memcpy(to, &halves, sizeof halves);
  } else {
    std::memcpy(to, &vector, sizeof vector);
  }
}

// e to the power of x, to two units in the last place: a power of two, and a Taylor series for the rest.
SLEEVE_INLINE void exponential(Floats &x) {
  x = (x < -87.0f) ? Floats{} - 87.0f : x;
  x = (x > 88.0f) ? Floats{} + 88.0f : x;
  // Adding 1.5 * 2^23 rounds to an integer, which is then in the lowest bits.
  const float magic = 12582912.0f;
  Floats shifted = x * 1.44269504f + magic;
  Words power = reinterpret_cast<Words>(shifted) - 0x4B400000;
  Floats whole = shifted - magic;
  Floats r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
  Floats p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  x = p * reinterpret_cast<Floats>((power + 127) << 23);
}

SLEEVE_INLINE void exponential(Doubles &x) {
  for (int i = 0; i < 8; i++) {
    x[i] = std::exp(x[i]);
  }
}

// 1 / (1 + e^-x).
template <class V> SLEEVE_INLINE void sigmoid(V &y, const V &x) {
  V e = -x;
  exponential(e);
  y = 1 / (1 + e);
}

} // namespace sleeve::lanes
