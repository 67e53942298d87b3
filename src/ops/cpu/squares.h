// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "ops/cpu/vectors.h"

// Between rows of tokens and vectors of tokens, by squares of whole vectors: one of AVX-512 is a line of the
// cache.
namespace prune2to4::cpu {
namespace {

// One step of a transposition: in two rows that differ in kBit, what differs in kBit of its column too
// changes places.
template <typename V, int kBit, int... kColumn>
inline void exchange(typename V::Floats& low, typename V::Floats& high,
                     std::integer_sequence<int, kColumn...>) {
  using Places = typename VectorOf<int32_t, V::kLanes>::Type;
  constexpr int kOther = V::kLanes - kBit;
  typename V::Floats a = low;
  low = __builtin_shuffle(a, high, Places{((kColumn & kBit) != 0 ? kColumn + kOther : kColumn)...});
  high =
      __builtin_shuffle(a, high, Places{((kColumn & kBit) != 0 ? kColumn + V::kLanes : kColumn + kBit)...});
}

template <typename V, int kBit = V::kLanes / 2>
inline void transpose(typename V::Floats* lines) {
#pragma GCC unroll 16
  for (int line = 0; line < V::kLanes; ++line) {
    if ((line & kBit) != 0) continue;
    exchange<V, kBit>(lines[line], lines[line + kBit], std::make_integer_sequence<int, V::kLanes>());
  }
  if constexpr (kBit > 1) transpose<V, kBit / 2>(lines);
}

// A vector of columns of a vector of tokens, whose rows are `step` bytes apart, to [columns][stride].
template <typename V>
inline void read_square(const char* from, Element element, int64_t step, int64_t stride, float* to) {
  typename V::Floats lines[static_cast<size_t>(V::kLanes)];
  if (element == Element::kFloat) {
#pragma GCC unroll 16
    for (int i = 0; i < V::kLanes; ++i, from += step) lines[i] = read_whole<V>(from, Element::kFloat);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < V::kLanes; ++i, from += step) lines[i] = read_whole<V>(from, Element::kBFloat16);
  }
  transpose<V>(lines);
#pragma GCC unroll 16
  for (int i = 0; i < V::kLanes; ++i, to += stride) V::store(to, lines[i]);
}

// A part of one, zeros behind the tokens.
template <typename V>
inline void read_part(const char* from, Element element, int64_t step, int64_t tokens, int64_t columns,
                      int64_t stride, float* to) {
  typename V::Floats lines[static_cast<size_t>(V::kLanes)] = {};
  for (int64_t i = 0; i < tokens; ++i) lines[i] = read_some<V>(from + i * step, element, 0, columns);
  transpose<V>(lines);
  for (int64_t i = 0; i < columns; ++i) V::store(to + i * stride, lines[i]);
}

// The other way: sums_of(row) is a vector of tokens.
template <typename V, typename Sums>
inline void write_square(const Sums& sums_of, int64_t row, int64_t tokens, int64_t rows, const Output& output,
                         int64_t at, int64_t width) {
  typename V::Floats lines[static_cast<size_t>(V::kLanes)];
#pragma GCC unroll 16
  for (int i = 0; i < V::kLanes; ++i) lines[i] = i < rows ? V::load(sums_of(row + i)) : V::all(0);
  transpose<V>(lines);
#pragma GCC unroll 16
  for (int i = 0; i < V::kLanes; ++i) {
    if (i < tokens) write_some<V>(output, at + i * width, rows, lines[i]);
  }
}

// Columns first ... last - 1 of x [tokens, width] go to [columns][stride]; the rest of the last vector of
// tokens becomes zero.
template <typename V>
inline void read_columns(const void* x, Element element, int64_t tokens, int64_t width, int64_t first,
                         int64_t last, int64_t stride, float* to) {
  const int64_t step = width * size_of(element);
  for (int64_t token = 0; token < tokens; token += V::kLanes) {
    const char* from = static_cast<const char*>(x) + token * step;
    for (int64_t column = first; column < last; column += V::kLanes) {
      const char* at = from + column * size_of(element);
      float* square = to + (column - first) * stride + token;
      if (tokens - token >= V::kLanes && last - column >= V::kLanes) {
        read_square<V>(at, element, step, stride, square);
      } else {
        read_part<V>(at, element, step, lesser(tokens - token, V::kLanes), lesser(last - column, V::kLanes),
                     stride, square);
      }
    }
  }
}

// Sums of rows go to out[token, first + row]; sums_of(row) are those of all tokens.
template <typename V, typename Sums>
inline void write_rows(const Sums& sums_of, int64_t tokens, int64_t rows, int64_t first, int64_t width,
                       const Output& output) {
  for (int64_t token = 0; token < tokens; token += V::kLanes) {
    for (int64_t row = 0; row < rows; row += V::kLanes) {
      write_square<V>([&](int64_t i) { return sums_of(i) + token; }, row, lesser(tokens - token, V::kLanes),
                      lesser(rows - row, V::kLanes), output, token * width + first + row, width);
    }
  }
}

// Of sums [rows][stride].
template <typename V>
inline void write_sums(const float* sums, int64_t stride, int64_t tokens, int64_t rows, int64_t first,
                       int64_t width, const Output& output) {
  write_rows<V>([&](int64_t row) { return sums + row * stride; }, tokens, rows, first, width, output);
}

}  // namespace
}  // namespace prune2to4::cpu
