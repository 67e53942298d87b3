// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

namespace prune2to4 {

// sequence_attention() of a GPU's tensors, and its name in libprune2to4_ops_cuda.so. False: there is no
// kernel for them.
using AttentionEntry = bool (*)(const at::Tensor& qkv, const at::Tensor& boundaries, int64_t length,
                                at::Tensor& result);
inline constexpr const char* kAttentionEntry = "prune2to4_sequence_attention";

}  // namespace prune2to4
