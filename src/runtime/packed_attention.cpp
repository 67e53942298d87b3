// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/packed_attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "prune2to4/sequence_attention.h"
#include "runtime/cpu_attention.h"

namespace prune2to4 {
namespace {

// Fills in the places of all sequences.
PackedSequences with_places(PackedSequences sequences, int64_t tokens) {
  const at::Tensor first = sequences.boundaries.to(at::kLong);
  sequences.count = first.numel() - 1;
  sequences.width = sequences.longest;
  const at::Tensor token = at::arange(tokens, first.options());
  const at::Tensor sequence =
      at::searchsorted(first.narrow(0, 1, sequences.count), token, /*out_int32=*/false, /*right=*/true);
  sequences.places = sequence * sequences.width + token - first.index_select(0, sequence);
  sequences.real = at::zeros({sequences.count * sequences.width}, first.options().dtype(at::kBool))
                       .index_fill_(0, sequences.places, true)
                       .view({sequences.count, sequences.width});
  return sequences;
}

// All sequences at once, padded to one width; tokens beyond them get what the last place has.
at::Tensor padded_attention(const at::Tensor& qkv, const PackedSequences& sequences, double dropout) {
  const int64_t count = sequences.count;
  const int64_t width = sequences.width;
  const int64_t slots = count * width;
  const at::Tensor padded =
      at::zeros({slots + 1, 3, qkv.size(2), qkv.size(3)}, qkv.options()).index_copy(0, sequences.places, qkv);
  // [3, B, H, W, D]
  const at::Tensor heads =
      padded.narrow(0, 0, slots).view({count, width, 3, qkv.size(2), qkv.size(3)}).permute({2, 0, 3, 1, 4});
  const at::Tensor mask = sequences.real.view({count, 1, 1, width});
  const at::Tensor result = at::scaled_dot_product_attention(heads[0], heads[1], heads[2], mask, dropout);
  const at::Tensor rows = result.transpose(1, 2).reshape({slots, -1});
  return rows.index_select(0, sequences.places.clamp_max(slots - 1));
}

// What LibTorch's flash attention takes.
bool takes_flash(const at::Tensor& qkv) {
  return qkv.is_cuda() && qkv.scalar_type() != at::kFloat && qkv.size(3) % 8 == 0 && qkv.size(3) <= 256;
}

at::Tensor flash_attention(const at::Tensor& qkv, const PackedSequences& sequences, double dropout) {
  const std::vector<at::Tensor> parts = qkv.unbind(1);
  return std::get<0>(at::_flash_attention_forward(parts[0], parts[1], parts[2], sequences.boundaries,
                                                  sequences.boundaries, sequences.longest, sequences.longest,
                                                  dropout, /*is_causal=*/false, /*return_debug_mask=*/false));
}

}  // namespace

at::Tensor packed_attention(const at::Tensor& qkv, const PackedSequences& sequences, double dropout) {
  const bool placed = sequences.places.defined();
  const bool by_sequence = qkv.is_cpu() && !placed && c10::InferenceMode::is_enabled();
  if (dropout == 0 && (by_sequence || takes_flash(qkv))) {
    const int64_t length = sequences.uniform ? sequences.longest : 0;
    if (const auto result = sequence_attention(qkv, sequences.boundaries, length)) return *result;
    if (by_sequence) return cpu_attention(qkv, sequences);
  }
  if (takes_flash(qkv)) return flash_attention(qkv, sequences, dropout).reshape({qkv.size(0), -1});
  return padded_attention(qkv, placed ? sequences : with_places(sequences, qkv.size(0)), dropout);
}

}  // namespace prune2to4
