// SPDX-License-Identifier: Apache-2.0
#include "sparse/calibration/keep_largest.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

namespace prune2to4 {

at::Tensor keep_largest(const at::Tensor& scores, const GroupShape& shape) {
  const int64_t rows = scores.size(0);
  const int64_t cols = scores.size(1);
  const int64_t padding = (shape.block - cols % shape.block) % shape.block;
  const at::Tensor padded =
      at::constant_pad_nd(scores, {0, padding}, std::numeric_limits<double>::infinity());
  // Sorting so many groups of few elements takes four times as long as comparing each pair.
  const at::Tensor places = padded.reshape({-1, shape.block}).t().contiguous();  // [block, groups]
  const at::Tensor rank = at::zeros_like(places, at::kByte);
  for (int64_t later = 1; later < shape.block; ++later) {
    for (int64_t earlier = 0; earlier < later; ++earlier) {
      const at::Tensor above = places[later] >= places[earlier];
      rank[later].add_(above);
      rank[earlier].add_(above.logical_not());
    }
  }
  const at::Tensor keep = (rank >= shape.zeros).t().reshape({rows, cols + padding});
  return keep.narrow(1, 0, cols).contiguous();
}

}  // namespace prune2to4
