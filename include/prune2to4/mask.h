// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace prune2to4 {

// How equal scores are decided. kLowestIndex: the lower index is pruned, on every device. kTorch: what
// torch.topk gives on the CPU, scores in the weight's own dtype (see torch_mask.h).
enum class Ties { kLowestIndex, kTorch };

// The keys of torch.ao.pruning.WeightNormSparsifier; the defaults make plain 2:4.
struct MaskOptions {
  double sparsity_level = 1.0;
  std::array<int64_t, 2> sparse_block_shape{1, 4};  // {rows, columns}
  int64_t zeros_per_block = 2;                      // 0 .. rows * columns
  int norm = 2;                                     // 1: |w|, 2: w * w
  Ties ties = Ties::kLowestIndex;

  bool operator==(const MaskOptions&) const = default;
};

enum class FloatType { kFloat32, kFloat16, kBFloat16 };

// A contiguous row-major matrix [rows, cols] in memory.
struct ConstMatrix {
  const void* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  FloatType type = FloatType::kFloat32;
};

// The mask of WeightNormSparsifier.update_mask (torch/ao/pruning/sparsifier/weight_norm_sparsifier.py, 2.11),
// with ties decided by lowest index: 1 keeps, 0 prunes; [rows * cols], row-major.
//
//   level <= 0 or zeros_per_block == 0                   all ones
//   level >= 1 and zeros_per_block == block size         all zeros
//   otherwise T or B (either one keeps):
//     T  level >= 1: zeros; else the round-half-even(level * blocks) blocks of lowest mean score are zero
//     B  zeros_per_block == block size: zeros; else the zeros_per_block lowest scores of each block are zero
//
// Blocks start at (0, 0); the last ones may be cut off by the edge: the mean is taken over, and zeros are
// drawn first from, the elements that exist (PyTorch pads with NaN, which sorts last). B compares |w| to the
// bit, T compares means in fp32. NaN counts as the largest score.
// Throws std::invalid_argument when zeros_per_block is outside 0 .. block size, the block is empty, or norm
// is neither 1 nor 2.
std::vector<uint8_t> weight_norm_mask(const ConstMatrix& weight, const MaskOptions& options);

// Writes +0.0 wherever the mask is 0. `weight` is rows * cols elements of `element_size` bytes (2 or 4).
void apply_mask(void* weight, int64_t element_size, const std::vector<uint8_t>& mask);

}  // namespace prune2to4
