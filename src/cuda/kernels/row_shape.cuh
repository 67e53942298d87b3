// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/kernels/vector.cuh"

namespace prune2to4::kernels {

// How threads share a row: `kWarps` warps a row, `kVectors` vectors a thread, the i-th at thread + i *
// kThreads.
template <int kWarps, int kVectors>
struct RowShape {
  static constexpr int kWarpsOfRow = kWarps;
  static constexpr int kVectorsOfThread = kVectors;
  static constexpr int kThreads = kWarps * kLanes;
  static constexpr int kRowsOfBlock = kWarps == 1 ? 4 : 1;
  static constexpr int kBlockThreads = kThreads * kRowsOfBlock;
  // What the backward pass keeps in registers lets so many blocks share a multiprocessor.
  static constexpr int kBackwardThreads = kVectors == 1 ? 512 : kVectors == 2 ? 384 : 256;
  static constexpr int kBackwardBlocks =
      kBlockThreads < kBackwardThreads ? kBackwardThreads / kBlockThreads : 1;
};

// Calls `function` with the RowShape for a width; few vectors a thread, so that the backward pass holds three
// sums of each in registers.
template <typename Function>
auto with_row_shape(int width, Function function) {
  const int vectors = width / kVectorWidth;
  if (vectors <= 32) return function(RowShape<1, 1>{});
  if (vectors <= 64) return function(RowShape<1, 2>{});
  if (vectors <= 96) return function(RowShape<1, 3>{});
  if (vectors <= 128) return function(RowShape<4, 1>{});
  if (vectors <= 256) return function(RowShape<4, 2>{});
  if (vectors <= 384) return function(RowShape<4, 3>{});
  if (vectors <= 512) return function(RowShape<8, 2>{});
  if (vectors <= 768) return function(RowShape<8, 3>{});
  return function(RowShape<16, 2>{});
}

inline int blocks_for(int64_t rows, int rows_of_block, int most) {
  const int64_t blocks = (rows + rows_of_block - 1) / rows_of_block;
  return blocks < most ? static_cast<int>(blocks) : most;
}

}  // namespace prune2to4::kernels
