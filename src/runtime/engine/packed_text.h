// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <optional>

#include "prune2to4/packed_attention.h"
#include "prune2to4/text_batch.h"

namespace prune2to4 {

// What a forward pass is sized by.
struct TextShape {
  int64_t tokens = 0;     // T, filler included
  int64_t sequences = 0;  // S: within which tokens attend to one another
  int64_t rows = 0;       // B
  int64_t width = 0;      // W: tokens that a sequence may have
  bool uniform = false;   // all rows have W tokens, and there is no filler

  int64_t slots() const { return rows * width; }
  auto operator<=>(const TextShape&) const = default;
};

// Sequences for one forward pass, one behind the other. On a GPU the shape is rounded up to one that comes
// again; filler behind the last sequence, in sequences of its own, makes up for it. Rows of one length that
// is round already stay as they are: attention is faster without filler.
struct PackedText {
  TextShape shape;
  int64_t rows = 0;   // of the batch: at most shape.rows
  int64_t width = 0;  // of the batch: at most shape.width
  at::Tensor data;    // int32 [size(shape)]: all of what follows in one piece, for one copy to the device

  static int64_t size(const TextShape& shape) { return 5 * shape.tokens + shape.sequences + 1; }
  // int64 [T]: row * W + column; B * W where no logit is wanted
  at::Tensor slots() const { return data.narrow(0, 0, 2 * shape.tokens).view(at::kLong); }
  at::Tensor ids() const { return part(2); }     // int32 [T]
  at::Tensor places() const { return part(3); }  // int32 [T]: rows of the position embedding
  at::Tensor types() const { return part(4); }   // int32 [T]
  // int32 [S + 1], as in PackedSequences
  at::Tensor boundaries() const { return data.narrow(0, 5 * shape.tokens, shape.sequences + 1); }
  PackedSequences sequences() const { return {shape.width, boundaries(), shape.uniform, 0, 0, {}, {}}; }

 private:
  at::Tensor part(int64_t index) const { return data.narrow(0, index * shape.tokens, shape.tokens); }
};

// How texts are packed for an encoder.
struct PackRules {
  int64_t vocabulary = 0;
  int64_t segments = 0;         // 0: types are not looked up
  int64_t positions = 0;        // tokens of the longest sequence
  int64_t position_offset = 0;  // as in EncoderSpec
  // False: padding is computed as far as each sequence's own row goes, as a sequence behind the real one:
  // its tokens cost what they cost in a padded batch but for attention, and no real token sees them.
  bool remove_padding = true;
  bool has_mask = true;   // false: the model is given none, and attends to padding as to any token
  bool has_types = true;  // false: the model is given none, and every token is of type 0
  bool round_up = false;  // the shape
  bool pinned = false;    // in memory that a GPU can copy from while the host goes on

  bool looks_up_types() const { return segments > 0 && has_types; }
};

// None for what only the interpreter can tell the result of: a mask that is not ones and then zeros, an id
// that RoBERTa takes for padding among real tokens, or anything that the tables have not.
std::optional<PackedText> pack_text(const TextBatch& batch, const PackRules& rules);

// The shape that a batch is computed in: few of them, little filler.
TextShape rounded_up(const TextShape& shape);

}  // namespace prune2to4
