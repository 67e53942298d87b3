// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include "prune2to4/recipe.h"
#include "train/parameters.h"

namespace prune2to4 {

// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) over flat parameters, by
// at::_fused_adamw_. Everything that changes is a tensor on the device, so that update() can be recorded and
// repeated.
struct Optimizer {
  at::Tensor exp_avg;        // fp32 [size]
  at::Tensor exp_avg_sq;     // fp32 [size]
  at::Tensor steps;          // fp32 []: updates done, the skipped ones not counted
  at::Tensor rate;           // fp32 []
  at::Tensor scale;          // fp32 [1]: what the loss was multiplied with; 1 but in fp16
  at::Tensor growth;         // int32 [1]: updates since the scale changed
  at::Tensor average;        // fp32 [size]: moving average of the values; undefined: none is kept
  at::Tensor saliency;       // fp32 [pruned]: momentum of |w * gradient|; undefined: not kept
  at::Tensor gradient_norm;  // fp32 []: of the last update, before clipping
  at::Tensor skipped;  // fp32 [1]: 1 when the last update was skipped, because a gradient was not finite

  // As it was made, for the parameters' present values.
  void clear(const Parameters& parameters);
};
Optimizer make_optimizer(const Parameters& parameters, const Recipe& recipe, Precision precision);

// Masks, measures and clips the gradients, and changes the values. A gradient or `loss` (a scalar) that is
// not finite changes nothing but, in fp16, the scale (torch/amp/grad_scaler.py).
void update(Parameters& parameters, Optimizer& optimizer, const Recipe& recipe, const at::Tensor& loss);

}  // namespace prune2to4
