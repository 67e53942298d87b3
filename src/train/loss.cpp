// SPDX-License-Identifier: Apache-2.0
#include "train/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>

namespace prune2to4 {
namespace {

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& label, const at::Tensor& weight) {
  const at::Tensor known = label.lt(logits.size(1));
  const at::Tensor index = label.clamp(0, logits.size(1) - 1).unsqueeze(1);
  const at::Tensor chosen = at::log_softmax(logits, 1).gather(1, index).squeeze(1);
  return -(chosen * weight * known).sum();
}

at::Tensor divergence(const at::Tensor& logits, const at::Tensor& teacher, double temperature,
                      const at::Tensor& weight) {
  const at::Tensor wanted = at::log_softmax(teacher / temperature, 1);
  const at::Tensor found = at::log_softmax(logits / temperature, 1);
  return ((wanted.exp() * (wanted - found)).sum(1) * weight).sum() * (temperature * temperature);
}

}  // namespace

Loss span_loss(const SpanLogits& logits, const PackedBatch& batch, const Recipe& recipe) {
  Loss loss;
  loss.label = (cross_entropy(logits.start, batch.start, batch.weight) +
                cross_entropy(logits.end, batch.end, batch.weight)) /
               2;
  loss.total = loss.label;
  if (batch.teacher_start.defined()) {
    loss.distill = (divergence(logits.start, batch.teacher_start, recipe.temperature, batch.weight) +
                    divergence(logits.end, batch.teacher_end, recipe.temperature, batch.weight)) /
                   2;
    loss.total = loss.label * (1 - recipe.distill_weight) + loss.distill * recipe.distill_weight;
  }
  return loss;
}

}  // namespace prune2to4
