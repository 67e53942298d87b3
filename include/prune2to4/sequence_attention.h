// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "prune2to4/api.h"

namespace prune2to4 {

// softmax(q k^T / sqrt(D)) v within each of S packed sequences, by a kernel for GPUs of compute capability
// 9.0, in fp16 or bf16 with D = 32 or 64, or on the CPU in fp32 with D a multiple of 8 and, where the CPU has
// AMX, in bf16 with D even. `qkv` [T, 3, H, D], contiguous; `boundaries` int32 [S + 1] on the same device:
// the first token of each sequence, in order, and the end, up to T. On a GPU they may be read before the
// kernel that writes `qkv` has ended: they are older. `length`, a hint: that of every sequence, or 0. The
// result is new, [T, H * D]; its rows beyond the last sequence are undefined. No other sequence, whatever its
// values, changes a bit of a sequence's result. When captured, a replay takes what `boundaries` holds by
// then. Nothing where there is no such kernel for `qkv`, or a gradient is asked for.
PRUNE2TO4_API std::optional<at::Tensor> sequence_attention(const at::Tensor& qkv,
                                                           const at::Tensor& boundaries, int64_t length = 0);

}  // namespace prune2to4
