// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "ops/cpu/vectors.h"

// Between rows of tokens and vectors of tokens, by squares of half a vector: two of them lie side by side in
// whole vectors, so that a square takes half as many exchanges.
namespace prune2to4::cpu {
namespace {

// Half of V's vectors, for what moves them.
template <typename V>
struct Half {
  static constexpr int kLanes = V::kLanes / 2;
  using Floats = typename VectorOf<float, kLanes>::Type;
  using Whole = typename V::Floats;

  static Floats load(const float* from) { return read<Floats>(from); }
  static void store(float* to, Floats value) { write(to, value); }

  template <int kFirst, int... kLane>
  static Floats part(Whole whole, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(whole, whole, (kFirst + kLane)...);
  }
  static Floats low(Whole whole) { return part<0>(whole, std::make_integer_sequence<int, kLanes>()); }
  static Floats high(Whole whole) { return part<kLanes>(whole, std::make_integer_sequence<int, kLanes>()); }

  template <int... kLane>
  static Whole join(Floats low, Floats high, std::integer_sequence<int, kLane...>) {
    return __builtin_shufflevector(low, high, kLane...);
  }
  static Whole join(Floats low, Floats high) {
    return join(low, high, std::make_integer_sequence<int, V::kLanes>());
  }
};

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

// Two squares, side by side.
template <typename V, int kBit = Half<V>::kLanes / 2>
inline void transpose(typename V::Floats* lines) {
#pragma GCC unroll 8
  for (int line = 0; line < Half<V>::kLanes; ++line) {
    if ((line & kBit) != 0) continue;
    exchange<V, kBit>(lines[line], lines[line + kBit], std::make_integer_sequence<int, V::kLanes>());
  }
  if constexpr (kBit > 1) transpose<V, kBit / 2>(lines);
}

// Half a vector of columns of a vector of tokens, x[token, column] from `at` on: to [columns][stride].
template <typename V>
inline void read_square(const void* x, Element element, int64_t at, int64_t width, int64_t stride,
                        float* to) {
  using Part = Half<V>;
  typename V::Floats lines[static_cast<size_t>(Part::kLanes)];
#pragma GCC unroll 8
  for (int i = 0; i < Part::kLanes; ++i) {
    lines[i] = Part::join(read_some<Part>(x, element, at + i * width, Part::kLanes),
                          read_some<Part>(x, element, at + (Part::kLanes + i) * width, Part::kLanes));
  }
  transpose<V>(lines);
#pragma GCC unroll 8
  for (int i = 0; i < Part::kLanes; ++i) V::store(to + i * stride, lines[i]);
}

// The other way.
template <typename V>
inline void write_square(const float* from, int64_t stride, const Output& output, int64_t at, int64_t width) {
  using Part = Half<V>;
  typename V::Floats lines[static_cast<size_t>(Part::kLanes)];
#pragma GCC unroll 8
  for (int i = 0; i < Part::kLanes; ++i) lines[i] = V::load(from + i * stride);
  transpose<V>(lines);
#pragma GCC unroll 8
  for (int i = 0; i < Part::kLanes; ++i) {
    write_some<Part>(output, at + i * width, Part::kLanes, Part::low(lines[i]));
    write_some<Part>(output, at + (Part::kLanes + i) * width, Part::kLanes, Part::high(lines[i]));
  }
}

// Columns first ... last - 1 of x [tokens, width] go to [columns][stride]; the rest of the last vector of
// tokens becomes zero.
template <typename V>
inline void read_columns(const void* x, Element element, int64_t tokens, int64_t width, int64_t first,
                         int64_t last, int64_t stride, float* to) {
  using Part = Half<V>;
  for (int64_t token = 0; token < tokens; token += V::kLanes) {
    for (int64_t column = first; column < last; column += Part::kLanes) {
      const int64_t count = last - column < Part::kLanes ? last - column : Part::kLanes;
      const int64_t at = token * width + column;
      float* square = to + (column - first) * stride + token;
      if (count == Part::kLanes && tokens - token >= V::kLanes) {
        read_square<V>(x, element, at, width, stride, square);
        continue;
      }
      for (int64_t i = 0; i < V::kLanes; ++i) {
        float line[static_cast<size_t>(Part::kLanes)] = {};
        if (token + i < tokens) Part::store(line, read_some<Part>(x, element, at + i * width, count));
        for (int64_t j = 0; j < count; ++j) square[j * stride + i] = line[j];
      }
    }
  }
}

// Sums of rows, [rows][stride], go to out[token, row].
template <typename V>
inline void write_sums(const float* sums, int64_t stride, int64_t tokens, int64_t rows, int64_t first,
                       int64_t width, const Output& output) {
  using Part = Half<V>;
  for (int64_t token = 0; token < tokens; token += V::kLanes) {
    for (int64_t row = 0; row < rows; row += Part::kLanes) {
      const int64_t count = rows - row < Part::kLanes ? rows - row : Part::kLanes;
      const int64_t at = token * width + first + row;
      const float* square = sums + row * stride + token;
      if (count == Part::kLanes && tokens - token >= V::kLanes) {
        write_square<V>(square, stride, output, at, width);
        continue;
      }
      for (int64_t i = 0; i < V::kLanes && token + i < tokens; ++i) {
        float line[static_cast<size_t>(Part::kLanes)] = {};
        for (int64_t j = 0; j < count; ++j) line[j] = square[j * stride + i];
        write_some<Part>(output, at + i * width, count, Part::load(line));
      }
    }
  }
}

}  // namespace
}  // namespace prune2to4::cpu
