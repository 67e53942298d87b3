// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <driver_types.h>

// Attention within packed sequences on GPUs of compute capability 9.0, without Torch: softmax(scale * q k^T)
// v in one pass over the keys (FlashAttention; Dao et al., 2022), by asynchronous tensor cores and the copy
// engine (FlashAttention-3; Shah et al., 2024).
namespace prune2to4::attention {

struct Call {
  const void* qkv = nullptr;        // [tokens, 3, heads, width], 16-byte aligned
  const int* boundaries = nullptr;  // [sequences + 1], on the GPU: each sequence's first token, and the end
  void* result = nullptr;           // [tokens, heads, width], 16-byte aligned
  int tokens = 0;                   // > 0
  int sequences = 0;
  int heads = 0;
  float scale = 1.0F;
};

// In fp16 and in bf16. What `boundaries` holds may change between the replays of a captured call.
// cudaErrorNotSupported: the width of a head is neither 32 nor 64.
cudaError_t run_half(int width, const Call& call, cudaStream_t stream);
cudaError_t run_bfloat16(int width, const Call& call, cudaStream_t stream);

}  // namespace prune2to4::attention
