// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace prune2to4 {

// N:M masks: of each `block` elements of a row, `zeros` are pruned; 0 < zeros < block.
struct GroupShape {
  int64_t zeros;
  int64_t block;
};

// bool [rows, cols] on the scores' device: false for the `shape.zeros` lowest scores of each group, equal
// ones by ascending index. A group that the edge cuts off loses as many as it has, at most.
at::Tensor keep_largest(const at::Tensor& scores, const GroupShape& shape);

}  // namespace prune2to4
