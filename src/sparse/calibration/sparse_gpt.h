// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "sparse/calibration/keep_largest.h"

namespace prune2to4 {

struct MaskedWeight {
  at::Tensor weight;  // fp32 [out, in], zero where not kept
  at::Tensor keep;    // bool [out, in]
};

// SparseGPT of the fp32 `weight` for the Hessian `products` (fp32 [in, in], positive semi-definite):
// `column_block` columns at a time, cut to whole groups. Adds to `notes` how much damping singular products
// needed.
MaskedWeight sparse_gpt(const at::Tensor& weight, const at::Tensor& products, const GroupShape& shape,
                        int64_t column_block, std::vector<std::string>& notes);

}  // namespace prune2to4
