// SPDX-License-Identifier: Apache-2.0
#include "runtime/cpu_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/InferenceMode.h>

#include <atomic>

#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for is serial without OpenMP"
#endif

namespace prune2to4 {
namespace {

// `count` sequences of `length` tokens from `first` on, into the same rows of `result` [T, H, D].
void attend(const at::Tensor& qkv, int64_t first, int64_t count, int64_t length, const at::Tensor& result) {
  // [3, count, H, length, D]
  const at::Tensor heads = qkv.narrow(0, first, count * length)
                               .view({count, length, 3, qkv.size(2), qkv.size(3)})
                               .permute({2, 0, 3, 1, 4});
  result.narrow(0, first, count * length)
      .view({count, length, qkv.size(2), qkv.size(3)})
      .copy_(at::scaled_dot_product_attention(heads[0], heads[1], heads[2]).transpose(1, 2));
}

}  // namespace

at::Tensor cpu_attention(const at::Tensor& qkv, const PackedSequences& sequences) {
  const int64_t tokens = qkv.size(0);
  const at::Tensor result = at::empty({tokens, qkv.size(2), qkv.size(3)}, qkv.options());
  const int64_t count = sequences.boundaries.numel() - 1;
  const auto* boundaries = sequences.boundaries.const_data_ptr<int32_t>();
  const auto one = [&](int64_t sequence) {
    const int64_t first = boundaries[sequence];
    const int64_t length = boundaries[sequence + 1] - first;
    if (length > 0) attend(qkv, first, 1, length, result);
  };
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  if (sequences.uniform) {
    attend(qkv, 0, count, sequences.longest, result);
  } else if (threads == 1 || count < threads) {
    for (int64_t sequence = 0; sequence < count; ++sequence) one(sequence);
  } else {
    std::atomic<int64_t> next = 0;  // they differ in length
    at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
      const c10::InferenceMode inference;
      for (int64_t sequence = next++; sequence < count; sequence = next++) one(sequence);
    });
  }
  return result.view({tokens, -1});
}

}  // namespace prune2to4
