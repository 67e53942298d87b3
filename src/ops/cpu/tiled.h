// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/norm.h"
#include "ops/cpu/squares.h"
#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

template <typename V, size_t kUsed>
inline void begin_sums(const float* bias, int64_t rows, int64_t stride, float* sums) {
  for (int64_t row = 0; row < rows; ++row, sums += stride) {
    const auto start = V::all(bias == nullptr ? 0.0F : bias[row]);
    for (size_t i = 0; i < kUsed; ++i) V::store(sums + i * V::kLanes, start);
  }
}

template <typename V, size_t kUsed>
inline void gelu_sums(int64_t rows, int64_t stride, float* sums) {
  for (int64_t row = 0; row < rows; ++row, sums += stride) {
    for (size_t i = 0; i < kUsed; ++i) {
      V::store(sums + i * V::kLanes, gelu<V>(V::load(sums + i * V::kLanes)));
    }
  }
}

template <typename Kernel, typename V, size_t kVectors>
void multiply(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first, int64_t last,
              const Output& output, float* sums) {
  with_used<V, kVectors>(tokens, [&](auto used) {
    Kernel::template multiply_used<used.kValue>(weight, tile, tokens, first, last, output, sums);
  });
}

// A kernel whose vectors are tokens: each kept weight is multiplied by its feature of all tokens of the tile,
// so that nothing is gathered, and half of dense's multiplications are left out. A tile is
// [features][kVectors * lanes]; kBlock groups of it stay in the L1 cache while the rows go by.
template <typename V, size_t kVectors, int64_t kBlock>
struct Tiled {
  using F = typename V::Floats;
  static constexpr int64_t kStride = static_cast<int64_t>(kVectors) * V::kLanes;
  static_assert(kBlock * 4 * kStride * 4 <= 65536, "an Entry's places have 16 bits");

  static void pack(const void* x, Element element, int64_t tokens, int64_t groups, float* tile) {
    read_columns<V>(x, element, tokens, 4 * groups, 0, 4 * groups, kStride, tile);
  }

  // Adds a block's part to the sums of one row.
  template <size_t kUsed>
  static void add_row(const Entry* entry, const Entry* end, const char* tile, float* sums) {
    F sum[kUsed];
#pragma GCC unroll 16
    for (size_t i = 0; i < kUsed; ++i) sum[i] = V::load(sums + i * V::kLanes);
    for (; entry < end; ++entry) {
      const auto* first = reinterpret_cast<const float*>(tile + entry->first_at);
      const auto* second = reinterpret_cast<const float*>(tile + entry->second_at);
      const F one = V::all(entry->first);
      const F two = V::all(entry->second);
#pragma GCC unroll 16
      for (size_t i = 0; i < kUsed; ++i) sum[i] = V::fma(one, V::load(first + i * V::kLanes), sum[i]);
#pragma GCC unroll 16
      for (size_t i = 0; i < kUsed; ++i) sum[i] = V::fma(two, V::load(second + i * V::kLanes), sum[i]);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kUsed; ++i) V::store(sums + i * V::kLanes, sum[i]);
  }

  // The sums of a few rows over all groups.
  template <size_t kUsed>
  static void add_products(const TiledWeight& weight, const float* tile, int64_t row, int64_t rows,
                           const float* bias, float* sums) {
    begin_sums<V, kUsed>(bias == nullptr ? nullptr : bias + row, rows, kStride, sums);
    for (int64_t group = 0; group < weight.groups; group += kBlock) {
      const int64_t left = weight.groups - group;
      const int64_t groups = left < kBlock ? left : kBlock;
      const Entry* entry = weight.entries + group * weight.rows + row * groups;
      const auto* block = reinterpret_cast<const char*>(tile + 4 * group * kStride);
      for (int64_t i = 0; i < rows; ++i) {
        add_row<kUsed>(entry + i * groups, entry + (i + 1) * groups, block, sums + i * kStride);
      }
    }
  }

  template <size_t kUsed>
  static void multiply_used(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first,
                            int64_t last, const Output& output, float* sums) {
    for (int64_t row = first; row < last; row += kTiledRows) {
      const int64_t rows = last - row < kTiledRows ? last - row : kTiledRows;
      add_products<kUsed>(weight, tile, row, rows, output.bias, sums);
      if (output.gelu) gelu_sums<V, kUsed>(rows, kStride, sums);
      write_sums<V>(sums, kStride, tokens, rows, row, weight.rows, output);
    }
    finish_writing<V>(output);
  }

  static void multiply_tile(const TiledWeight& weight, const float* tile, int64_t tokens, const float* bias,
                            bool gelu, float* out) {
    with_used<V, kVectors>(tokens, [&](auto used) {
      for (int64_t row = 0; row < weight.rows; row += kTiledRows) {
        const int64_t rows = weight.rows - row < kTiledRows ? weight.rows - row : kTiledRows;
        float* sums = out + row * kStride;
        add_products<used.kValue>(weight, tile, row, rows, bias, sums);
        if (gelu) gelu_sums<V, used.kValue>(rows, kStride, sums);
      }
    });
  }

  static void add_norm(const Norm& norm, int64_t tokens, int64_t features, float* added, float* tile) {
    with_used<V, kVectors>(
        tokens, [&](auto used) { norm_sums<V, used.kValue>(norm, features, kStride, added, tile); });
  }

  static void unpack(const float* tile, int64_t tokens, int64_t features, const Output& output) {
    write_sums<V>(tile, kStride, tokens, features, 0, features, output);
  }

  static constexpr TiledKernel kKernel{.lanes = V::kLanes,
                                       .vectors = kVectors,
                                       .enough = (3 * kVectors + 3) / 4,
                                       .groups = kBlock,
                                       .group_values = 4,
                                       .form = WeightForm::kEntries,
                                       .row_step = 16,
                                       .pack = &pack,
                                       .multiply = &multiply<Tiled, V, kVectors>,
                                       .multiply_tile = &multiply_tile,
                                       .add_norm = &add_norm,
                                       .unpack = &unpack};
};

}  // namespace
}  // namespace prune2to4::cpu
