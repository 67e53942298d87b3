// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "prune2to4/recipe.h"
#include "prune2to4/runner.h"
#include "train/packed_batch.h"

namespace prune2to4 {

// Sums over the batch, each sequence with its weight; scalars.
struct Loss {
  at::Tensor total;    // (1 - distill_weight) * label + distill_weight * distill
  at::Tensor label;    // (cross-entropy of start + of end) / 2, as BertForQuestionAnswering has it
  at::Tensor distill;  // T^2 * (KL(teacher || student) of start + of end) / 2; undefined without a teacher
};

// A label below 0 counts as 0, one beyond the width is ignored (transformers' clamp and ignored_index);
// unlike there, padding has no part in the softmax.
Loss span_loss(const SpanLogits& logits, const PackedBatch& batch, const Recipe& recipe);

}  // namespace prune2to4
