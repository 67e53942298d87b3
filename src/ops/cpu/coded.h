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
  static constexpr int64_t kCachedRows = 384;  // whose sums are beside it

  // Floats into a tile.
  static constexpr int64_t block_at(int64_t group) {
    return 4 * group * kLanes * static_cast<int64_t>(kVectors);
  }
  static int64_t size_of_rows(int64_t row, int64_t last) { return lesser(last - row, kCodeRows); }
  static int64_t size_of_block(int64_t group, int64_t groups) { return lesser(groups - group, kCodeGroups); }

  // The block that begins with `group`.
  static void pack_block(const void* x, Element element, int64_t tokens, int64_t groups, int64_t group,
                         float* to) {
    const int64_t size = size_of_block(group, groups);
    for (int64_t token = 0; token < tokens; token += kLanes) {
      const void* some = static_cast<const char*>(x) + token * 4 * groups * size_of(element);
      read_columns<V>(some, element, lesser(tokens - token, kLanes), 4 * groups, 4 * group,
                      4 * (group + size), kLanes, to + token * 4 * size);
    }
  }

  static void pack(const void* x, Element element, int64_t tokens, int64_t groups, float* tile) {
    for (int64_t group = 0; group < groups; group += kCodeGroups) {
      pack_block(x, element, tokens, groups, group, tile + block_at(group));
    }
  }

  static Output from(const Output& output, int64_t token, int64_t width) {
    const int64_t offset = token * width * size_of(output.element);
    Output rest = output;
    rest.out = static_cast<char*>(output.out) + offset;
    if (output.residual != nullptr) rest.residual = static_cast<const char*>(output.residual) + offset;
    return rest;
  }

  // The sums of rows first ... last - 1, [blocks of rows][vectors of tokens][rows of the block][lanes].
  static void begin(const float* bias, int64_t vectors, int64_t first, int64_t last, float* sums) {
    for (int64_t row = first; row < last; row += kCodeRows) {
      const int64_t rows = size_of_rows(row, last);
      for (int64_t i = 0; i < vectors; ++i, sums += rows * kLanes) {
        begin_sums<V, 1>(bias == nullptr ? nullptr : bias + row, rows, kLanes, sums);
      }
    }
  }

  // block_of(group) are the inputs of a block of groups.
  template <typename Blocks>
  static void add_products(const TiledWeight& weight, const Blocks& block_of, int64_t vectors, int64_t first,
                           int64_t last, float* sums) {
    const int64_t blocks = (weight.groups + kCodeGroups - 1) / kCodeGroups;
    for (int64_t group = 0; group < weight.groups; group += kCodeGroups) {
      const MultiplyBlock* const column = weight.code + first / kCodeRows * blocks + group / kCodeGroups;
      const MultiplyBlock* code = column;
      const float* inputs = block_of(group);
      for (int64_t row = first; row < last; row += kCodeRows, code += blocks) {
        const MultiplyBlock next = row + kCodeRows < last ? code[blocks] : column[1];
        (*code)(inputs, sums + (row - first) * vectors * kLanes, reinterpret_cast<const void*>(next), vectors,
                4 * size_of_block(group, weight.groups) * kLanes * 4, size_of_rows(row, last) * kLanes * 4);
      }
    }
  }

  // A token's rows lie side by side: many at once, lest its cache lines come and go for each block of them.
  static void write(float* sums, int64_t tokens, int64_t first, int64_t last, int64_t width,
                    const Output& output) {
    const int64_t vectors = (tokens + kLanes - 1) / kLanes;
    for (int64_t i = 0; i < vectors; ++i) {
      const int64_t left = tokens - i * kLanes;
      const Output rest = from(output, i * kLanes, width);
      const auto sums_of = [&](int64_t row) {
        const int64_t block = row - row % kCodeRows;
        return sums + (block * vectors + i * size_of_rows(block, last - first) + row - block) * kLanes;
      };
      if (output.gelu) {
        for (int64_t row = 0; row < last - first; row += kCodeRows) {
          gelu_sums<V, 1>(size_of_rows(row, last - first), kLanes, sums_of(row));
        }
      }
      write_rows<V>(sums_of, lesser(left, kLanes), last - first, first, width, rest);
    }
  }

  // So many rows at once go by a block, and so many are written at once.
  struct Rows {
    int64_t by_block;
    int64_t written;
  };

  template <typename Blocks>
  static void multiply_blocks(const TiledWeight& weight, const Blocks& block_of, const Rows& rows,
                              int64_t tokens, int64_t first, int64_t last, const Output& output,
                              float* sums) {
    const int64_t vectors = (tokens + kLanes - 1) / kLanes;
    for (int64_t row = first; row < last; row += rows.written) {
      const int64_t end = lesser(last, row + rows.written);
      for (int64_t some = row; some < end; some += rows.by_block) {
        const int64_t some_end = lesser(end, some + rows.by_block);
        float* of_rows = sums + (some - row) * vectors * kLanes;
        begin(output.bias, vectors, some, some_end, of_rows);
        add_products(weight, block_of, vectors, some, some_end, of_rows);
      }
      write(sums, tokens, row, end, weight.rows, output);
    }
    finish_writing<V>(output);
  }

  static void multiply(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first,
                       int64_t last, const Output& output, float* sums) {
    const auto block_of = [&](int64_t group) { return tile + block_at(group); };
    const Rows rows =
        weight.groups <= kCachedGroups ? Rows{kCodeRows, kCachedRows} : Rows{kTiledRows, kTiledRows};
    multiply_blocks(weight, block_of, rows, tokens, first, last, output, sums);
  }

  static void multiply_unpacked(const TiledWeight& weight, const void* x, int64_t tokens, int64_t first,
                                int64_t last, const Output& output, float* block, float* sums) {
    const auto block_of = [&](int64_t group) {
      pack_block(x, output.element, tokens, weight.groups, group, block);
      return block;
    };
    multiply_blocks(weight, block_of, {kTiledRows, kTiledRows}, tokens, first, last, output, sums);
  }

  // Measured by 16 threads, with 12 layers' code, which comes from the L3 cache or from memory.
  static constexpr size_t kEnough = 5;
  static_assert(kEnough <= kVectors);
  static constexpr TiledKernel kKernel{.lanes = kLanes,
                                       .vectors = kVectors,
                                       .enough = kEnough,
                                       .groups = kCodeGroups,
                                       .group_values = 4,
                                       .form = WeightForm::kCode,
                                       .row_step = kCodeRows,
                                       .pack = &pack,
                                       .multiply = &multiply,
                                       .cached_groups = kCachedGroups,
                                       .multiply_unpacked = &multiply_unpacked};
};

}  // namespace
}  // namespace prune2to4::cpu
