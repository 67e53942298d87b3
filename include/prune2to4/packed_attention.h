// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace prune2to4 {

// S sequences, one behind the other without padding: T tokens.
struct PackedSequences {
  int64_t longest = 0;    // tokens that a sequence may have
  at::Tensor boundaries;  // int32 [S + 1]: first token of each sequence, and T
  bool uniform = false;   // every sequence has `longest` tokens
  // Where attention is padded: `count` sequences of `width` places. Tokens beyond them take no part.
  // Undefined: all S of them, as the boundaries say.
  int64_t count = 0;
  int64_t width = 0;
  at::Tensor places;  // int64 [T]: sequence * width + column; count * width: beyond
  at::Tensor real;    // bool [count, width]
};

// softmax(q k^T / sqrt(D)) v within each sequence, with dropout on the probabilities. `qkv` is [T, 3, H, D];
// the result [T, H * D]. Without dropout by sequence_attention() where that can, in fp16 and bf16 on a GPU
// and in fp32 on the CPU in inference mode; else by LibTorch: there by flash attention over sequences of
// different lengths (Dao, 2023), here each sequence by itself, elsewhere padded.
at::Tensor packed_attention(const at::Tensor& qkv, const PackedSequences& sequences, double dropout);

}  // namespace prune2to4
