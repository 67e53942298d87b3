// SPDX-License-Identifier: Apache-2.0
// torch/ao/pruning/sparsifier/weight_norm_sparsifier.py (PyTorch 2.11), operator by operator: ties come out
// as its operators happen to decide them, so none may be replaced by an equivalent.
#include "sparse/torch_ties.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/col2im.h>
#include <ATen/ops/full.h>
#include <ATen/ops/im2col.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace prune2to4 {
namespace {

// PyTorch's way works on whole blocks; what they may add to a weight, in elements.
constexpr double kLargestPadded = 1 << 28;

struct Blocks {
  int64_t rows;  // of the weight
  int64_t cols;
  int64_t padded_rows;  // up to whole blocks
  int64_t padded_cols;
  std::array<int64_t, 2> shape;

  int64_t size() const { return shape[0] * shape[1]; }
};

Blocks blocks_of(const at::Tensor& weight, const MaskOptions& options) {
  const auto& [height, width] = options.sparse_block_shape;
  const auto round_up = [](int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; };
  return {weight.size(0), weight.size(1), round_up(weight.size(0), height), round_up(weight.size(1), width),
          options.sparse_block_shape};
}

// `mask` holds one column per block, as F.unfold lays them out; gives [rows, cols].
at::Tensor fold(const at::Tensor& mask, const Blocks& blocks) {
  return at::col2im(mask, {blocks.padded_rows, blocks.padded_cols}, blocks.shape, /*dilation=*/{1, 1},
                    /*padding=*/{0, 0}, /*stride=*/blocks.shape)
      .reshape({blocks.padded_rows, blocks.padded_cols})
      .slice(0, 0, blocks.rows)
      .slice(1, 0, blocks.cols);
}

// _make_tensor_mask: whole blocks, lowest mean score first.
at::Tensor tensor_mask(const at::Tensor& scores, const MaskOptions& options, const Blocks& blocks) {
  if (options.sparsity_level >= 1.0) return at::zeros({blocks.rows, blocks.cols});
  at::Tensor data = scores;
  if (blocks.size() > 1) {
    data = at::avg_pool2d(data.unsqueeze(0).unsqueeze(0), blocks.shape, blocks.shape, /*padding=*/{0, 0},
                          /*ceil_mode=*/true);
  }
  data = data.flatten();
  const int64_t count = data.numel();
  data = data.repeat({1, blocks.size(), 1});
  const auto wanted =
      static_cast<int64_t>(std::nearbyint(options.sparsity_level * static_cast<double>(count)));
  const int64_t pruned = std::max<int64_t>(0, std::min(count - 1, wanted));
  const at::Tensor lowest = std::get<1>(at::topk(data, pruned, /*dim=*/2, /*largest=*/false));
  at::Tensor mask = at::ones({blocks.padded_rows, blocks.padded_cols}).reshape(data.sizes());
  mask.scatter_(2, lowest, 0);
  return fold(mask, blocks);
}

// _make_block_mask: the lowest scores within each block.
at::Tensor block_mask(const at::Tensor& scores, const MaskOptions& options, const Blocks& blocks) {
  at::Tensor padded = at::full({blocks.padded_rows, blocks.padded_cols},
                               std::numeric_limits<double>::quiet_NaN(), scores.options());
  padded.slice(0, 0, blocks.rows).slice(1, 0, blocks.cols).copy_(scores);
  const at::Tensor unfolded = at::im2col(padded.unsqueeze(0).unsqueeze(0), blocks.shape, /*dilation=*/{1, 1},
                                         /*padding=*/{0, 0}, /*stride=*/blocks.shape);
  const at::Tensor lowest =
      std::get<1>(at::topk(unfolded, options.zeros_per_block, /*dim=*/1, /*largest=*/false));
  at::Tensor mask = at::ones({blocks.padded_rows, blocks.padded_cols}).reshape(unfolded.sizes());
  mask.scatter_(1, lowest, 0);
  return fold(mask, blocks);
}

}  // namespace

at::Tensor torch_ties_mask(const at::Tensor& weight, const MaskOptions& options) {
  const Blocks blocks = blocks_of(weight, options);
  TORCH_CHECK_VALUE(static_cast<double>(blocks.padded_rows) * static_cast<double>(blocks.padded_cols) <
                        kLargestPadded + static_cast<double>(weight.numel()),
                    "[mask] sparse_block_shape [", blocks.shape[0], ", ", blocks.shape[1],
                    "] would pad the weight of ", weight.sizes(), " to [", blocks.padded_rows, ", ",
                    blocks.padded_cols, "]; use smaller blocks, or ties lowest_index, which pads nothing");
  const std::array<int64_t, 2> shape{blocks.rows, blocks.cols};
  if (options.sparsity_level <= 0 || options.zeros_per_block == 0) return at::ones(shape, at::kBool);
  const bool whole_blocks = options.zeros_per_block == blocks.size();
  if (options.sparsity_level >= 1.0 && whole_blocks) return at::zeros(shape, at::kBool);

  const at::Tensor scores = options.norm == 1 ? at::abs(weight) : at::mul(weight, weight);
  const at::Tensor mask = tensor_mask(scores, options, blocks);
  if (whole_blocks) return mask.to(at::kBool);
  return at::logical_or(mask, block_mask(scores, options, blocks));
}

}  // namespace prune2to4
