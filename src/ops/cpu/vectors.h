// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/cpu/kernels.h"

// Pieces of all kernels, for the instruction set that the including file is compiled for.
namespace prune2to4::cpu {
namespace {

constexpr int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

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

template <typename Value, int kLanes>
struct VectorOf {
  typedef Value Type
      __attribute__((vector_size(sizeof(Value) * kLanes)));  // g++ ignores it in a dependent alias
};
template <typename V>
using Bits = typename VectorOf<uint32_t, V::kLanes>::Type;
template <typename V>
using Halves = typename VectorOf<uint16_t, V::kLanes>::Type;

template <typename V>
inline typename V::Floats as_float(Halves<V> bfloat16) {
  const Bits<V> wide = __builtin_convertvector(bfloat16, Bits<V>) << 16;
  return reinterpret_cast<typename V::Floats>(wide);
}

// To the nearest, ties to even; NaN stays NaN.
template <typename V>
inline Halves<V> as_bfloat16(typename V::Floats value) {
  const auto bits = reinterpret_cast<Bits<V>>(value);
  const Bits<V> rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const auto ordered = reinterpret_cast<Bits<V>>(value == value);
  return __builtin_convertvector((rounded & ordered) | (~ordered & 0x7fc0), Halves<V>);
}

inline int64_t size_of(Element element) { return element == Element::kFloat ? 4 : 2; }

template <typename V>
inline typename V::Floats read_whole(const void* from, Element element) {
  if (element == Element::kFloat) return V::load(static_cast<const float*>(from));
  return as_float<V>(read<Halves<V>>(from));
}

// `count` elements of x from `at` on, zeros behind them.
template <typename V>
inline typename V::Floats read_some(const void* x, Element element, int64_t at, int64_t count) {
  const char* from = static_cast<const char*>(x) + at * size_of(element);
  if (count == V::kLanes) return read_whole<V>(from, element);
  float part[V::kLanes] = {};
  std::memcpy(part, from, static_cast<size_t>(count * size_of(element)));
  return read_whole<V>(part, element);
}

// The first `count` of `value`, and the residual there, to `output` from `at` on.
template <typename V>
inline void write_some(const Output& output, int64_t at, int64_t count, typename V::Floats value) {
  if (output.residual != nullptr) value += read_some<V>(output.residual, output.element, at, count);
  char* to = static_cast<char*>(output.out) + at * size_of(output.element);
  const auto bytes = static_cast<size_t>(count * size_of(output.element));
  if (output.element == Element::kBFloat16) {
    const Halves<V> rounded = as_bfloat16<V>(value);
    std::memcpy(to, &rounded, bytes);
  } else if (count == V::kLanes) {
    auto* floats = reinterpret_cast<float*>(to);
    if constexpr (requires { V::store_past(floats, value); }) {
      if (output.large && reinterpret_cast<uintptr_t>(to) % sizeof(value) == 0) {
        return V::store_past(floats, value);
      }
    }
    V::store(floats, value);
  } else {
    std::memcpy(to, &value, bytes);
  }
}

// After all of a product's: then another thread may read them.
template <typename V>
inline void finish_writing(const Output& output) {
  if constexpr (requires { V::finish_past(); }) {
    if (output.large) V::finish_past();
  }
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

template <size_t kCount>
struct Count {
  static constexpr size_t kValue = kCount;
};

// Calls work(Count) with as few vectors as the tokens take.
template <typename V, size_t kUsed, typename Work>
void with_used(int64_t tokens, const Work& work) {
  if constexpr (kUsed > 1) {
    if (tokens <= static_cast<int64_t>(kUsed - 1) * V::kLanes) {
      return with_used<V, kUsed - 1>(tokens, work);
    }
  }
  work(Count<kUsed>());
}

}  // namespace
}  // namespace prune2to4::cpu
