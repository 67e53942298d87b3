// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "prune2to4/runner.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// Windows for one forward pass, one behind the other without padding: T tokens of B sequences. Filler behind
// them, a sequence of its own, brings T to a size that comes again.
struct PackedBatch {
  int64_t sequences = 0;  // B
  int64_t width = 0;      // W: of padded logits
  int64_t longest = 0;    // tokens that the longest sequence may have, at most W

  at::Tensor ids;         // int64 [T]
  at::Tensor segments;    // int64 [T]
  at::Tensor positions;   // int64 [T], from 0 in each sequence
  at::Tensor boundaries;  // int32 [B + 2]: first token of each sequence, of the filler, and T
  at::Tensor places;      // int64 [T]: row * W + column in padded logits; B * W for filler
  at::Tensor real;        // bool [B, W]
  at::Tensor start;       // int64 [B]: labels
  at::Tensor end;
  at::Tensor weight;         // fp32 [B]: of each sequence in the loss; 0: it only fills the batch
  at::Tensor teacher_start;  // fp32 [B, W], kNoLogit at padding; undefined: no teacher
  at::Tensor teacher_end;

  int64_t tokens() const { return ids.numel(); }
  PackedBatch to(at::Device device) const;
  PackedBatch pinned() const;  // in memory that a GPU can copy from while the host goes on
  // Copies another batch of the same sizes into this one's memory.
  void copy_from(const PackedBatch& other);
};

// How batches are filled.
struct PackedShape {
  int64_t sequences = 0;   // every batch has so many; missing ones repeat the first with weight 0
  int64_t width = 0;       // 0: the longest window of the batch
  int64_t token_step = 1;  // T is a multiple of it
  double weight = 1;       // of each real sequence
};
// Beyond every width: the loss leaves it out.
constexpr int32_t kNoLabel = std::numeric_limits<int32_t>::max();
// One sequence of a batch.
struct PackedRow {
  std::span<const int32_t> ids;
  std::span<const uint8_t> segments;  // as many
  int32_t start = 0;
  int32_t end = 0;
};
// Precondition: 0 < rows.size() <= shape.sequences.
PackedBatch pack_rows(const std::vector<PackedRow>& rows, int64_t pad_token_id, const PackedShape& shape);
PackedBatch pack_batch(const TokenizedSquad& data, const std::vector<int64_t>& windows,
                       const PackedShape& shape);

// The data's training windows in the order of this epoch, cut into batches of `size`; the same on every
// machine. With `by_length`, each batch holds windows of much the same length.
std::vector<std::vector<int64_t>> epoch_batches(const TokenizedSquad& data, int64_t size, uint64_t seed,
                                                int64_t epoch, bool by_length);

}  // namespace prune2to4
