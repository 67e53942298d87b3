// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/mask.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>
#include <string>

#include "sparse/float_bits.h"
#include "sparse/group_mask.h"

namespace prune2to4 {
namespace {

// |w| as an integer that orders like it; every NaN is the same largest value.
template <class Float>
uint32_t magnitude(typename Float::Bits bits) {
  const uint32_t value = bits & Float::kMagnitude;
  return std::min<uint32_t>(value, Float::kInfinity + 1u);
}

// The part [top, bottom) x [left, right) of a block that lies within the matrix.
struct Block {
  int64_t top, bottom, left, right;
};

// Blocks over a matrix, numbered row by row.
struct Grid {
  int64_t rows, cols, block_rows, block_cols;

  int64_t across() const { return cols / block_cols + (cols % block_cols != 0); }
  int64_t down() const { return rows / block_rows + (rows % block_rows != 0); }
  int64_t blocks() const { return across() * down(); }

  Block block(int64_t down_index, int64_t across_index) const {
    const int64_t top = down_index * block_rows;
    const int64_t left = across_index * block_cols;
    return {top, top + std::min(block_rows, rows - top), left, left + std::min(block_cols, cols - left)};
  }

  template <class Function>  // void(block index, Block)
  void for_each(Function function) const {
    int64_t index = 0;
    for (int64_t i = 0; i < down(); ++i) {
      for (int64_t j = 0; j < across(); ++j) function(static_cast<size_t>(index++), block(i, j));
    }
  }
};

template <class Float>
struct Matrix {
  const typename Float::Bits* data;
  Grid grid;

  typename Float::Bits at(int64_t row, int64_t col) const { return data[row * grid.cols + col]; }
};

// Mean scores as integers that order like them, as avg_pool2d sums them: row by row in fp32, divided by the
// number of elements that exist.
template <class Float>
std::vector<uint32_t> mean_scores(const Matrix<Float>& weight, int norm) {
  std::vector<uint32_t> scores(static_cast<size_t>(weight.grid.blocks()));
  weight.grid.for_each([&](size_t index, const Block& block) {
    float sum = 0;
    for (int64_t row = block.top; row < block.bottom; ++row) {
      for (int64_t col = block.left; col < block.right; ++col) {
        const float value = Float::to_float(weight.at(row, col));
        sum += norm == 1 ? std::fabs(value) : value * value;
      }
    }
    const int64_t count = (block.bottom - block.top) * (block.right - block.left);
    scores[index] = magnitude<Float32>(std::bit_cast<uint32_t>(sum / static_cast<float>(count)));
  });
  return scores;
}

// The value of the bucket that holds the k-th smallest entry; k becomes its rank within that bucket.
size_t bucket_of_rank(const std::vector<size_t>& counts, size_t& k) {
  size_t bucket = 0;
  while (k >= counts[bucket]) k -= counts[bucket++];
  return bucket;
}

// 1 for each of the k lowest scores, equal ones by ascending index. Two counting passes of 16 bits each.
std::vector<uint8_t> lowest(const std::vector<uint32_t>& scores, size_t k) {
  std::vector<uint8_t> chosen(scores.size(), 0);
  if (k == 0) return chosen;
  size_t rank = k - 1;
  std::vector<size_t> counts(size_t{1} << 16, 0);
  for (const uint32_t score : scores) ++counts[score >> 16];
  const size_t high = bucket_of_rank(counts, rank);
  std::fill(counts.begin(), counts.end(), size_t{0});
  for (const uint32_t score : scores) {
    if (score >> 16 == high) ++counts[score & 0xffff];
  }
  const size_t low = bucket_of_rank(counts, rank);
  const auto threshold = static_cast<uint32_t>(high << 16 | low);
  size_t equal_left = rank + 1;
  for (size_t i = 0; i < scores.size(); ++i) {
    chosen[i] = scores[i] < threshold;
    if (scores[i] == threshold && equal_left > 0) {
      chosen[i] = 1;
      --equal_left;
    }
  }
  return chosen;
}

// T of the header: 1 for each block that is pruned. Empty: all of them.
template <class Float>
std::vector<uint8_t> pruned_blocks(const Matrix<Float>& weight, const MaskOptions& options) {
  if (options.sparsity_level >= 1) return {};
  const double blocks = static_cast<double>(weight.grid.blocks());
  const double wanted = std::nearbyint(options.sparsity_level * blocks);  // half to even, as Python's round
  const auto k = static_cast<size_t>(std::clamp(wanted, 0.0, blocks - 1));
  return lowest(mean_scores(weight, options.norm), k);
}

// Sets the mask of the `zeros` lowest elements of a block to 0, equal ones by ascending index. `keys` is
// scratch space.
template <class Float>
void prune_block(const Matrix<Float>& weight, const Block& block, int64_t zeros, std::vector<uint64_t>& keys,
                 std::vector<uint8_t>& mask) {
  const int64_t width = block.right - block.left;
  keys.clear();
  for (int64_t row = block.top; row < block.bottom; ++row) {
    for (int64_t col = block.left; col < block.right; ++col) {
      const auto index = static_cast<uint64_t>((row - block.top) * width + (col - block.left));
      keys.push_back(uint64_t{magnitude<Float>(weight.at(row, col))} << 32 | index);
    }
  }
  const int64_t count = std::min(zeros, static_cast<int64_t>(keys.size()));
  if (count < static_cast<int64_t>(keys.size())) {
    std::nth_element(keys.begin(), keys.begin() + count, keys.end());
  }
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<int64_t>(keys[static_cast<size_t>(i)] & 0xffffffffu);
    const int64_t row = block.top + index / width;
    mask[static_cast<size_t>(row * weight.grid.cols + block.left + index % width)] = 0;
  }
}

template <class Float>
std::vector<uint8_t> typed_mask(const ConstMatrix& weight, const MaskOptions& options) {
  const auto [block_rows, block_cols] = options.sparse_block_shape;
  const Matrix<Float> matrix{static_cast<const typename Float::Bits*>(weight.data),
                             {weight.rows, weight.cols, block_rows, block_cols}};
  const auto size = static_cast<size_t>(weight.rows * weight.cols);
  if (size == 0) return {};
  if (options.sparsity_level >= 1 && block_rows == 1 && block_cols == 4 && weight.cols % 4 == 0) {
    std::vector<uint8_t> mask(size);
    mask_groups_of_four<Float>(matrix.data, size, static_cast<int>(options.zeros_per_block), mask.data());
    return mask;
  }
  std::vector<uint8_t> mask(size, 1);
  const std::vector<uint8_t> pruned = pruned_blocks(matrix, options);
  std::vector<uint64_t> keys;
  matrix.grid.for_each([&](size_t index, const Block& block) {
    if (pruned.empty() || pruned[index]) prune_block(matrix, block, options.zeros_per_block, keys, mask);
  });
  return mask;
}

// So that a block's elements can be counted.
constexpr int64_t kLargestBlockSide = int64_t{1} << 31;

void check_options(const MaskOptions& options) {
  const auto [rows, cols] = options.sparse_block_shape;
  if (rows < 1 || cols < 1 || rows > kLargestBlockSide || cols > kLargestBlockSide) {
    throw std::invalid_argument("sparse_block_shape must be 1 x 1 or more, and at most " +
                                std::to_string(kLargestBlockSide) + " along a side");
  }
  if (options.zeros_per_block < 0 || options.zeros_per_block > rows * cols) {
    throw std::invalid_argument("zeros_per_block must be 0 .. " + std::to_string(rows * cols));
  }
  if (!std::isfinite(options.sparsity_level)) throw std::invalid_argument("sparsity_level must be a number");
  if (options.norm != 1 && options.norm != 2) throw std::invalid_argument("norm must be 1 or 2");
}

template <class Bits>
void zero_where_masked(Bits* weight, const std::vector<uint8_t>& mask) {
  for (size_t i = 0; i < mask.size(); ++i) weight[i] = mask[i] != 0 ? weight[i] : Bits{0};
}

}  // namespace

std::vector<uint8_t> weight_norm_mask(const ConstMatrix& weight, const MaskOptions& options) {
  check_options(options);
  const auto size = static_cast<size_t>(weight.rows * weight.cols);
  if (options.sparsity_level <= 0 || options.zeros_per_block == 0) return std::vector<uint8_t>(size, 1);
  const auto [block_rows, block_cols] = options.sparse_block_shape;
  if (options.sparsity_level >= 1 && options.zeros_per_block == block_rows * block_cols) {
    return std::vector<uint8_t>(size, 0);
  }
  switch (weight.type) {
    case FloatType::kFloat16:
      return typed_mask<Float16>(weight, options);
    case FloatType::kBFloat16:
      return typed_mask<BFloat16>(weight, options);
    case FloatType::kFloat32:
      break;
  }
  return typed_mask<Float32>(weight, options);
}

void apply_mask(void* weight, int64_t element_size, const std::vector<uint8_t>& mask) {
  if (element_size == 4) {
    zero_where_masked(static_cast<uint32_t*>(weight), mask);
  } else {
    zero_where_masked(static_cast<uint16_t*>(weight), mask);
  }
}

}  // namespace prune2to4
