// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/tiled.h"

namespace prune2to4::cpu {
namespace {

// A kernel of tiles by a weight's own code (weight_code.h). A tile is [blocks of groups][vectors of tokens][4
// * groups of the block][lanes]: a block's code goes through its part from one end to the other.
template <typename V, size_t kVectors>
struct Coded {
  static constexpr int64_t kLanes = V::kLanes;
  static_assert(kLanes == kCodeLanes && kTiledRows % kCodeRows == 0);
  // Of a tile that stays in the L2 cache while all rows go by. Of a larger one each block does.
  static constexpr int64_t kCachedGroups = 256;

  // Floats into a tile.
  static constexpr int64_t block_at(int64_t group) {
    return 4 * group * kLanes * static_cast<int64_t>(kVectors);
  }
  static int64_t size_of_rows(int64_t row, int64_t last) {
    return last - row < kCodeRows ? last - row : kCodeRows;
  }
  static int64_t size_of_block(int64_t group, int64_t groups) {
    return groups - group < kCodeGroups ? groups - group : kCodeGroups;
  }

  static void pack(const void* x, Element element, int64_t tokens, int64_t groups, int64_t first,
                   int64_t last, float* tile) {
    const auto* inputs = static_cast<const char*>(x);
    for (int64_t block = first; block < last; block += kCodeGroups) {
      const int64_t width = 4 * size_of_block(block, groups);
      float* to = tile + block_at(block) - 4 * block * kLanes;  // where group 0 would be
      for (int64_t token = 0; token < tokens; token += kLanes, to += width * kLanes) {
        Tiled<V, 1, kCodeGroups>::pack(inputs + token * 4 * groups * size_of(element), element,
                                       tokens - token < kLanes ? tokens - token : kLanes, groups, block,
                                       block + width / 4, to);
      }
    }
  }

  static Output from(const Output& output, int64_t token, int64_t width) {
    const int64_t offset = token * width * size_of(output.element);
    Output rest = output;
    rest.out = static_cast<char*>(output.out) + offset;
    if (output.residual != nullptr) rest.residual = static_cast<const char*>(output.residual) + offset;
    return rest;
  }

  // All products of rows first ... last - 1, by [block of rows][vector of tokens][row] in `sums`.
  static void add_products(const TiledWeight& weight, const float* tile, int64_t vectors, int64_t first,
                           int64_t last, float* sums) {
    const int64_t blocks = (weight.groups + kCodeGroups - 1) / kCodeGroups;
    for (int64_t group = 0; group < weight.groups; group += kCodeGroups) {
      const MultiplyBlock* const column = weight.code + first / kCodeRows * blocks + group / kCodeGroups;
      const MultiplyBlock* code = column;
      for (int64_t row = first; row < last; row += kCodeRows, code += blocks) {
        const MultiplyBlock next = row + kCodeRows < last ? code[blocks] : column[1];
        (*code)(tile + block_at(group), sums + (row - first) * vectors * kLanes,
                reinterpret_cast<const void*>(next), vectors,
                4 * size_of_block(group, weight.groups) * kLanes * 4, size_of_rows(row, last) * kLanes * 4);
      }
    }
  }

  static void multiply(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first,
                       int64_t last, const Output& output, float* sums) {
    const int64_t vectors = (tokens + kLanes - 1) / kLanes;
    const int64_t most = weight.groups <= kCachedGroups ? kCodeRows : kTiledRows;
    for (int64_t begin = first; begin < last; begin += most) {
      const int64_t end = last - begin < most ? last : begin + most;
      const auto for_each_vector = [&](auto work) {
        float* of_vector = sums;
        for (int64_t row = begin; row < end; row += kCodeRows) {
          const int64_t rows = size_of_rows(row, end);
          for (int64_t i = 0; i < vectors; ++i, of_vector += rows * kLanes)
            work(row, rows, i * kLanes, of_vector);
        }
      };
      for_each_vector([&](int64_t row, int64_t rows, int64_t, float* to) {
        begin_sums<V, 1>(output.bias == nullptr ? nullptr : output.bias + row, rows, kLanes, to);
      });
      add_products(weight, tile, vectors, begin, end, sums);
      for_each_vector([&](int64_t row, int64_t rows, int64_t token, float* of_rows) {
        if (output.gelu) gelu_sums<V, 1>(rows, kLanes, of_rows);
        write_sums<V>(of_rows, kLanes, tokens - token < kLanes ? tokens - token : kLanes, rows, row,
                      weight.rows, from(output, token, weight.rows));
      });
    }
  }

  static constexpr TiledKernel kKernel{
      kLanes, kVectors, kCodeGroups, 4, WeightForm::kCode, kCodeRows, &pack, &multiply, {}, {}, {}};
};

}  // namespace
}  // namespace prune2to4::cpu
