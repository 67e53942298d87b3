// SPDX-License-Identifier: Apache-2.0
#include "train/attention.h"

#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

namespace prune2to4 {
namespace {

// All sequences at once, padded to the longest; filler gets what the last place has.
at::Tensor padded_attention(const at::Tensor& qkv, const PackedBatch& batch, double dropout) {
  const int64_t slots = batch.sequences * batch.width;
  const at::Tensor padded =
      at::zeros({slots + 1, 3, qkv.size(2), qkv.size(3)}, qkv.options()).index_copy(0, batch.places, qkv);
  // [3, B, H, W, D]
  const at::Tensor heads = padded.narrow(0, 0, slots)
                               .view({batch.sequences, batch.width, 3, qkv.size(2), qkv.size(3)})
                               .permute({2, 0, 3, 1, 4});
  const at::Tensor mask = batch.real.view({batch.sequences, 1, 1, batch.width});
  const at::Tensor result = at::scaled_dot_product_attention(heads[0], heads[1], heads[2], mask, dropout);
  const at::Tensor rows = result.transpose(1, 2).reshape({slots, -1});
  return rows.index_select(0, batch.places.clamp_max(slots - 1));
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& qkv, const PackedBatch& batch, double dropout) {
  if (qkv.is_cpu() || qkv.scalar_type() == at::kFloat) return padded_attention(qkv, batch, dropout);
  const std::vector<at::Tensor> parts = qkv.unbind(1);
  const at::Tensor result = std::get<0>(at::_flash_attention_forward(
      parts[0], parts[1], parts[2], batch.boundaries, batch.boundaries, batch.longest, batch.longest, dropout,
      /*is_causal=*/false, /*return_debug_mask=*/false));
  return result.reshape({qkv.size(0), -1});
}

}  // namespace prune2to4
