// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "prune2to4/api.h"
#include "prune2to4/mask.h"

namespace prune2to4 {

// float32, float16 and bfloat16: what can be masked and packed.
PRUNE2TO4_API bool is_weight_type(at::ScalarType type);

// The weight's memory as the Torch-free part sees it. `weight` must be a contiguous host tensor [rows, cols]
// of float32, float16 or bfloat16, and outlive the view; throws c10::ValueError otherwise.
PRUNE2TO4_API ConstMatrix matrix_view(const at::Tensor& weight);

// The same values as a contiguous host tensor. Throws c10::ValueError, naming `stage` and `what` the tensor
// is, for one that is undefined, sparse, quantized or on the meta device.
PRUNE2TO4_API at::Tensor host_copy(const at::Tensor& tensor, const std::string& stage,
                                   const std::string& what);

// weight_norm_mask() (mask.h) of a tensor [rows, cols] on any device, under either tie rule; 1 keeps, 0
// prunes, row-major. Masks are made on the host, so that they are the same whatever the device.
//
// Ties::kTorch follows torch/ao/pruning/sparsifier/weight_norm_sparsifier.py (2.11) operator by operator,
// with scores in the weight's dtype: what w * w rounds to zero in float16 ties there, and at::topk decides.
// Where PyTorch's own mask keeps the padded shape (and then fails on use), this one is cropped to [rows,
// cols].
PRUNE2TO4_API std::vector<uint8_t> weight_norm_mask(const at::Tensor& weight, const MaskOptions& options);

}  // namespace prune2to4
