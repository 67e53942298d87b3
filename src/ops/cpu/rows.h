// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// A kernel whose vectors are output rows, for few tokens: each group of four inputs is repeated along a
// vector, and each row picks its own two of it. Sums are taken in the order of Tiled's.
template <typename V>
struct Rows {
  using F = typename V::Floats;
  using I = typename V::Ints;
  static constexpr size_t kSums = 8;  // as many as hide the latency of a sum

  template <size_t kTokens>
  static void add_group(const float* x, int64_t width, const float* values, I positions, F* sums) {
    const F one = V::load(values);
    const F two = V::load(values + V::kLanes);
    const I second = V::second(positions);
#pragma GCC unroll 8
    for (size_t token = 0; token < kTokens; ++token) {
      const F group = V::repeat4(x + static_cast<int64_t>(token) * width);
      sums[token] = V::fma(one, V::pick(group, positions), sums[token]);
      sums[token] = V::fma(two, V::pick(group, second), sums[token]);
    }
  }

  template <size_t kTokens, size_t kRows>
  static void multiply_block(const RowsWeight& weight, const float* x, int64_t vector, int64_t token,
                             const Output& output) {
    const int64_t pairs = (weight.groups + 1) / 2;
    const int64_t width = 4 * weight.groups;
    const float* values = weight.values + vector * pairs * 4 * V::kLanes;
    const uint8_t* positions = weight.positions + vector * pairs * V::kLanes;
    x += token * width;
    F sums[kRows][kTokens];
#pragma GCC unroll 8
    for (size_t row = 0; row < kRows; ++row) {
      const F start = read_bias(weight, output, (vector + static_cast<int64_t>(row)) * V::kLanes);
#pragma GCC unroll 8
      for (size_t i = 0; i < kTokens; ++i) sums[row][i] = start;
    }
    for (int64_t pair = 0; pair < pairs; ++pair) {
      const bool odd = 2 * pair + 1 == weight.groups;
#pragma GCC unroll 8
      for (size_t row = 0; row < kRows; ++row) {
        const int64_t at = (static_cast<int64_t>(row) * pairs + pair) * V::kLanes;
        const I both = V::load_bytes(positions + at);
        add_group<kTokens>(x + 8 * pair, width, values + 4 * at, both, sums[row]);
        if (!odd) {
          add_group<kTokens>(x + 8 * pair + 4, width, values + 4 * at + 2 * V::kLanes, V::next_group(both),
                             sums[row]);
        }
      }
    }
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t i = 0; i < kTokens; ++i) {
        write_rows(weight, output.gelu ? gelu<V>(sums[row][i]) : sums[row][i],
                   (vector + static_cast<int64_t>(row)) * V::kLanes, token + static_cast<int64_t>(i), output);
      }
    }
  }

  static F read_bias(const RowsWeight& weight, const Output& output, int64_t row) {
    if (output.bias == nullptr) return V::all(0);
    if (row + V::kLanes <= weight.rows) return V::load(output.bias + row);
    float rest[V::kLanes] = {};
    for (int64_t i = 0; row + i < weight.rows; ++i) rest[i] = output.bias[row + i];
    return V::load(rest);
  }

  static void write_rows(const RowsWeight& weight, F value, int64_t row, int64_t token,
                         const Output& output) {
    const int64_t left = weight.rows - row;
    write_some<V>(output, token * weight.rows + row, left < V::kLanes ? left : V::kLanes, value);
  }

  template <size_t kTokens>
  static void multiply_tokens(const RowsWeight& weight, const float* x, int64_t first, int64_t last,
                              int64_t token, const Output& output) {
    constexpr size_t kAtOnce = kSums / kTokens;
    constexpr auto kStep = static_cast<int64_t>(kAtOnce);
    int64_t vector = first;
    for (; vector + kStep <= last; vector += kStep) {
      multiply_block<kTokens, kAtOnce>(weight, x, vector, token, output);
    }
    for (; vector < last; ++vector) multiply_block<kTokens, 1>(weight, x, vector, token, output);
  }

  static void multiply(const RowsWeight& weight, const float* x, int64_t tokens, int64_t first, int64_t last,
                       const Output& output) {
    int64_t token = 0;
    for (; token + 4 <= tokens; token += 4) multiply_tokens<4>(weight, x, first, last, token, output);
    for (; token + 2 <= tokens; token += 2) multiply_tokens<2>(weight, x, first, last, token, output);
    for (; token < tokens; ++token) multiply_tokens<1>(weight, x, first, last, token, output);
  }

  static constexpr RowsKernel kKernel{V::kLanes, kSums, &multiply};
};

}  // namespace
}  // namespace prune2to4::cpu
