// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <driver_types.h>

// Attention within packed sequences on GPUs of compute capability 9.0, without Torch: softmax(scale * q k^T)
// v in one pass over the keys (FlashAttention; Dao et al., 2022), by asynchronous tensor cores and the copy
// engine (FlashAttention-3; Shah et al., 2024).
namespace prune2to4::attention {

struct Call {
  const void* qkv = nullptr;  // [tokens, 3, heads, width], 16-byte aligned
  // [sequences + 1], on the GPU: each sequence's first token, and the end. They may be read before the
  // kernels ahead in the stream have ended: none of these wrote them.
  const int* boundaries = nullptr;
  void* result = nullptr;  // [tokens, heads, width], 16-byte aligned
  int tokens = 0;          // > 0
  int sequences = 0;
  int heads = 0;
  int length = 0;  // of every sequence, mostly; only the time that it takes depends on it
  float scale = 1.0F;
};

// In fp16 and in bf16. What `boundaries` holds may change between the replays of a captured call.
// cudaErrorNotSupported: the width of a head is neither 32 nor 64.
cudaError_t run_half(int width, const Call& call, cudaStream_t stream);
cudaError_t run_bfloat16(int width, const Call& call, cudaStream_t stream);

}  // namespace prune2to4::attention
