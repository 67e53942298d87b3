// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/tiled.h"

namespace prune2to4::cpu {
namespace {

// bf16 where one instruction multiplies pairs: a group of four keeps exactly a pair. A tile holds, for each
// group, all six possible pairs of its inputs, [groups][6][kVectors * lanes], made once for all rows; then
// one instruction does a whole group, half of what dense needs. Denormal
// numbers count as zero there.
template <typename V, size_t kVectors, size_t kRows, int64_t kBlock>
struct Pairs {
  using F = typename V::Floats;
  using I = typename V::Ints;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kStride = static_cast<int64_t>(kVectors) * kLanes;
  static constexpr auto kRowStep = static_cast<int64_t>(kRows);
  static constexpr int64_t kPairs = 6;
  static constexpr int64_t kAtOnce = 8;  // groups that pack() reads of a token: a cache line
  static_assert(kBlock * kPairs * kStride * 4 <= 65536, "places have 16 bits");
  static_assert(kTiledRows % kRowStep == 0, "rows of a pass are whole");

  // A vector of tokens of a few groups.
  static void pack_groups(const uint16_t* x, int64_t tokens, int64_t width, int64_t groups, uint32_t* tile) {
    uint32_t inputs[kAtOnce][4][V::kLanes] = {};
    for (int64_t token = 0; token < tokens; ++token) {
      for (int64_t group = 0; group < groups; ++group) {
        for (int64_t i = 0; i < 4; ++i) inputs[group][i][token] = x[token * width + 4 * group + i];
      }
    }
    for (int64_t group = 0; group < groups; ++group) {
      uint32_t* to = tile + group * kPairs * kStride;
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = i + 1; j < 4; ++j, to += kStride) {
          for (int64_t token = 0; token < kLanes; ++token) {
            to[token] = inputs[group][i][token] | inputs[group][j][token] << 16;
          }
        }
      }
    }
  }

  static void pack(const void* x, Element, int64_t tokens, int64_t groups, float* tile) {
    const auto* inputs = static_cast<const uint16_t*>(x);
    auto* words = reinterpret_cast<uint32_t*>(tile);
    for (int64_t group = 0; group < groups; group += kAtOnce) {
      const int64_t some = groups - group < kAtOnce ? groups - group : kAtOnce;
      for (int64_t token = 0; token < tokens; token += kLanes) {
        pack_groups(inputs + token * 4 * groups + 4 * group,
                    tokens - token < kLanes ? tokens - token : kLanes, 4 * groups, some,
                    words + group * kPairs * kStride + token);
      }
    }
  }

  // Adds a block's part to the sums of kRows rows.
  template <size_t kUsed>
  static void add_rows(const uint32_t* weights, const uint16_t* places, int64_t groups, const char* tile,
                       float* sums) {
    F sum[kRows][kUsed];
#pragma GCC unroll 8
    for (size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 8
      for (size_t i = 0; i < kUsed; ++i) sum[row][i] = V::load(sums + row * kStride + i * kLanes);
    }
    for (int64_t group = 0; group < groups; ++group, weights += kRows, places += kRows) {
#pragma GCC unroll 8
      for (size_t row = 0; row < kRows; ++row) {
        const I pair = V::all_pairs(weights[row]);
        const char* inputs = tile + places[row];
#pragma GCC unroll 8
        for (size_t i = 0; i < kUsed; ++i) {
          sum[row][i] = V::add_pairs(sum[row][i], pair, inputs + i * kLanes * 4);
        }
      }
    }
#pragma GCC unroll 8
    for (size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 8
      for (size_t i = 0; i < kUsed; ++i) V::store(sums + row * kStride + i * kLanes, sum[row][i]);
    }
  }

  template <size_t kUsed>
  static void multiply_used(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first,
                            int64_t last, const Output& output, float* sums) {
    const int64_t padded = (weight.rows + kRowStep - 1) / kRowStep * kRowStep;
    for (int64_t row = first; row < last; row += kTiledRows) {
      const int64_t rows = last - row < kTiledRows ? last - row : kTiledRows;
      begin_sums<V, kUsed>(output.bias == nullptr ? nullptr : output.bias + row, rows, kStride, sums);
      for (int64_t group = 0; group < weight.groups; group += kBlock) {
        const int64_t left = weight.groups - group;
        const int64_t groups = left < kBlock ? left : kBlock;
        const auto* block = reinterpret_cast<const char*>(tile + group * kPairs * kStride);
        for (int64_t i = 0; i < rows; i += kRowStep) {
          const int64_t at = group * padded + (row + i) * groups;
          add_rows<kUsed>(weight.pairs + at, weight.places + at, groups, block, sums + i * kStride);
        }
      }
      if (output.gelu) gelu_sums<V, kUsed>(rows, kStride, sums);
      write_sums<V>(sums, kStride, tokens, rows, row, weight.rows, output);
    }
  }

  static constexpr TiledKernel kKernel{.lanes = V::kLanes,
                                       .vectors = kVectors,
                                       .enough = (3 * kVectors + 3) / 4,
                                       .groups = kBlock,
                                       .group_values = kPairs,
                                       .form = WeightForm::kPairs,
                                       .row_step = 16,
                                       .pack = &pack,
                                       .multiply = &multiply<Pairs, V, kVectors>};
};

}  // namespace
}  // namespace prune2to4::cpu
