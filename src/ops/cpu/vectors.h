// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#include "ops/cpu/kernels.h"

// Pieces of all kernels, for the instruction set that the including file is compiled for.
namespace prune2to4::cpu {
namespace {

using Float4 = float __attribute__((vector_size(16)));
using Int4 = int32_t __attribute__((vector_size(16)));
using Bits4 = uint32_t __attribute__((vector_size(16)));
using Half4 = uint16_t __attribute__((vector_size(8)));

template <typename Value>
inline Value read(const void* from) {
  Value value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <typename Value>
inline void write(void* to, Value value) {
  std::memcpy(to, &value, sizeof(value));
}

inline Float4 as_float(Half4 bits) {
  const Bits4 wide = __builtin_convertvector(bits, Bits4) << 16;
  return reinterpret_cast<Float4>(wide);
}

// To the nearest, ties to even; NaN stays NaN.
inline Half4 as_bfloat16(Float4 value) {
  const auto bits = reinterpret_cast<Bits4>(value);
  const Bits4 rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const auto ordered = reinterpret_cast<Bits4>(value == value);
  return __builtin_convertvector((rounded & ordered) | (~ordered & 0x7fc0), Half4);
}

inline Float4 read4(const void* x, Element element, int64_t at) {
  if (element == Element::kFloat) return read<Float4>(static_cast<const float*>(x) + at);
  return as_float(read<Half4>(static_cast<const uint16_t*>(x) + at));
}

inline void write4(void* x, Element element, int64_t at, Float4 value) {
  if (element == Element::kFloat) {
    write(static_cast<float*>(x) + at, value);
  } else {
    write(static_cast<uint16_t*>(x) + at, as_bfloat16(value));
  }
}

inline float read1(const void* x, Element element, int64_t at) {
  if (element == Element::kFloat) return static_cast<const float*>(x)[at];
  const Half4 one{static_cast<const uint16_t*>(x)[at], 0, 0, 0};
  return as_float(one)[0];
}

inline void write1(void* x, Element element, int64_t at, float value) {
  if (element == Element::kFloat) {
    static_cast<float*>(x)[at] = value;
  } else {
    static_cast<uint16_t*>(x)[at] = as_bfloat16(Float4{value, 0, 0, 0})[0];
  }
}

inline void transpose(Float4& a, Float4& b, Float4& c, Float4& d) {
  const Float4 ab = __builtin_shuffle(a, b, Int4{0, 4, 1, 5});
  const Float4 cd = __builtin_shuffle(c, d, Int4{0, 4, 1, 5});
  const Float4 ab2 = __builtin_shuffle(a, b, Int4{2, 6, 3, 7});
  const Float4 cd2 = __builtin_shuffle(c, d, Int4{2, 6, 3, 7});
  a = __builtin_shuffle(ab, cd, Int4{0, 1, 4, 5});
  b = __builtin_shuffle(ab, cd, Int4{2, 3, 6, 7});
  c = __builtin_shuffle(ab2, cd2, Int4{0, 1, 4, 5});
  d = __builtin_shuffle(ab2, cd2, Int4{2, 3, 6, 7});
}

// The polynomial in s of these coefficients, the highest power's first.
template <typename V, typename... Rest>
inline typename V::Floats horner(typename V::Floats s, float highest, Rest... rest) {
  typename V::Floats value = V::all(highest);
  ((value = V::fma(value, s, V::all(rest))), ...);
  return value;
}

// x / 2 (1 + erf(x / sqrt 2)), erf as a quotient of polynomials (the coefficients of Eigen and XLA) within a
// few units in the last place.
template <typename V>
inline typename V::Floats gelu(typename V::Floats x) {
  using F = typename V::Floats;
  const auto c = [](float value) { return V::all(value); };
  const F scaled = x * c(0.70710678F);
  const F at = V::least(V::greatest(scaled, c(-4)), c(4));
  const F s = at * at;
  const F p = horner<V>(s, -2.72614225801306e-10F, 2.77068142495902e-08F, -2.10102402082508e-06F,
                        -5.69250639462346e-05F, -7.34990630326855e-04F, -2.95459980854025e-03F,
                        -1.60960333262415e-02F);
  const F q = horner<V>(s, -1.45660718464996e-05F, -2.13374055278905e-04F, -1.68282697438203e-03F,
                        -7.37332916720468e-03F, -1.42647390514189e-02F);
  const F half = x * c(0.5F);
  return V::fma(half, at * p / q, half);
}

}  // namespace
}  // namespace prune2to4::cpu
