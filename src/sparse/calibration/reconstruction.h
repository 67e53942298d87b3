// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sparse/calibration/keep_largest.h"

namespace prune2to4 {

// The mask of an N:M weight W' that makes tr((W - W') H (W - W')^T) small, by ADMM on a least-squares weight
// and its projection. `weight` is fp32 [out, in]; `products`, H, fp32 [in, in], positive semi-definite with a
// positive diagonal.
at::Tensor reconstruction_mask(const at::Tensor& weight, const at::Tensor& products, const GroupShape& shape);

// The W' that makes it smallest among those that are zero where `keep` is false.
at::Tensor refit_kept(const at::Tensor& weight, const at::Tensor& products, const at::Tensor& keep);

}  // namespace prune2to4
