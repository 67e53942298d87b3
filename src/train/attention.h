// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "train/packed_batch.h"

namespace prune2to4 {

// softmax(q k^T / sqrt(D)) v within each sequence of the batch, with dropout on the probabilities. `qkv` is
// [T, 3, H, D]; the result [T, H * D]. In fp16 and bf16 on a GPU by flash attention over sequences of
// different lengths (Dao, 2023), elsewhere padded.
at::Tensor packed_attention(const at::Tensor& qkv, const PackedBatch& batch, double dropout);

}  // namespace prune2to4
