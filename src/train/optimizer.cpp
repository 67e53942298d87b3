// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "prune2to4/cuda_backend.h"

namespace prune2to4 {
namespace {

constexpr double kBeta1 = 0.9;
constexpr double kBeta2 = 0.999;
constexpr double kEpsilon = 1e-8;
constexpr double kSaliencyMomentum = 0.9;
// Of torch.amp.GradScaler.
constexpr double kFirstScale = 65536;
constexpr double kScaleGrowth = 2;
constexpr double kScaleBackoff = 0.5;
constexpr int64_t kScaleInterval = 2000;

void step_all(Parameters& parameters, Optimizer& optimizer, double weight_decay, const at::Tensor& divisor) {
  AdamWStep step;
  step.values = parameters.values;
  step.gradients = parameters.gradients;
  step.exp_avg = optimizer.exp_avg;
  step.exp_avg_sq = optimizer.exp_avg_sq;
  step.decayed = parameters.decayed;
  step.rate = optimizer.rate;
  step.steps = optimizer.steps;
  step.divisor = divisor;
  step.skipped = optimizer.skipped;
  step.beta1 = kBeta1;
  step.beta2 = kBeta2;
  step.epsilon = kEpsilon;
  step.weight_decay = weight_decay;
  cuda_backend().adamw(step);
}

void step_range(Parameters& parameters, Optimizer& optimizer, int64_t begin, int64_t end, double weight_decay,
                const at::Tensor& divisor) {
  if (begin == end) return;
  const auto range = [&](const at::Tensor& flat) {
    return std::vector<at::Tensor>{flat.narrow(0, begin, end - begin)};
  };
  at::_fused_adamw_(range(parameters.values), range(parameters.gradients), range(optimizer.exp_avg),
                    range(optimizer.exp_avg_sq), {}, std::vector<at::Tensor>{optimizer.steps}, optimizer.rate,
                    kBeta1, kBeta2, weight_decay, kEpsilon, /*amsgrad=*/false, /*maximize=*/false, divisor,
                    optimizer.skipped);
}

// What the kernel divides gradients by: the loss's scale, and more where the norm is to be clipped.
at::Tensor gradient_divisor(const Optimizer& optimizer, double clip_norm) {
  if (clip_norm <= 0) return optimizer.scale;
  return optimizer.scale * (optimizer.gradient_norm / clip_norm).clamp_min(1.0);
}

bool has_kernels(const Parameters& parameters) {
  return parameters.values.is_cuda() && cuda_backend().has_kernels();
}

// Masks the gradients; their norm.
at::Tensor masked_norm(Parameters& parameters) {
  if (has_kernels(parameters)) return cuda_backend().masked_norm(parameters.gradients, parameters.mask);
  parameters.gradients.narrow(0, 0, parameters.pruned).mul_(parameters.mask);
  return at::linalg_vector_norm(parameters.gradients);
}

}  // namespace

Optimizer make_optimizer(const Parameters& parameters, const Recipe& recipe, Precision precision) {
  const auto options = parameters.values.options();
  const bool half = precision == Precision::kFp16;
  Optimizer optimizer;
  optimizer.exp_avg = at::zeros_like(parameters.values);
  optimizer.exp_avg_sq = at::zeros_like(parameters.values);
  optimizer.steps = at::zeros({}, options);
  optimizer.rate = at::zeros({}, options);
  optimizer.scale = at::full({1}, half ? kFirstScale : 1.0, options);
  if (half) optimizer.growth = at::zeros({1}, options.dtype(at::kInt));
  if (recipe.ema > 0) optimizer.average = parameters.values.clone();
  if (recipe.mask_policy == MaskPolicy::kGradual && recipe.mask_score == MaskScore::kMomentum)
    optimizer.saliency = at::zeros({parameters.pruned}, options);
  optimizer.gradient_norm = at::zeros({}, options);
  optimizer.skipped = at::zeros({1}, options);
  return optimizer;
}

void Optimizer::clear(const Parameters& parameters) {
  const at::NoGradGuard no_gradients;
  for (at::Tensor* each : {&exp_avg, &exp_avg_sq, &steps, &saliency}) {
    if (each->defined()) each->zero_();
  }
  if (average.defined()) average.copy_(parameters.values);
}

void update(Parameters& parameters, Optimizer& optimizer, const Recipe& recipe, const at::Tensor& loss) {
  const at::NoGradGuard no_gradients;
  optimizer.gradient_norm.copy_((masked_norm(parameters) / optimizer.scale).squeeze());
  optimizer.skipped.copy_(at::isfinite(optimizer.gradient_norm + loss).logical_not());
  if (optimizer.saliency.defined()) {
    const at::Tensor product = parameters.values.narrow(0, 0, parameters.pruned) *
                               parameters.gradients.narrow(0, 0, parameters.pruned);
    const at::Tensor saliency = optimizer.saliency * kSaliencyMomentum + (product / optimizer.scale).abs();
    optimizer.saliency.copy_(at::where(optimizer.skipped.gt(0), optimizer.saliency, saliency));
  }
  const at::Tensor divisor = gradient_divisor(optimizer, recipe.clip_norm);
  optimizer.steps.add_(1 - optimizer.skipped.squeeze());
  if (has_kernels(parameters)) {
    step_all(parameters, optimizer, recipe.weight_decay, divisor);
  } else {
    step_range(parameters, optimizer, 0, parameters.decayed, recipe.weight_decay, divisor);
    step_range(parameters, optimizer, parameters.decayed, parameters.size, 0, divisor);
  }
  if (optimizer.average.defined()) {
    // The average is young at first: torch.optim.swa_utils and others let its decay rise.
    const at::Tensor decay = ((optimizer.steps + 1) / (optimizer.steps + 10)).clamp_max(recipe.ema);
    optimizer.average.lerp_(parameters.values, (1 - decay) * (1 - optimizer.skipped));
  }
  if (optimizer.growth.defined()) {
    at::_amp_update_scale_(optimizer.scale, optimizer.growth, optimizer.skipped, kScaleGrowth, kScaleBackoff,
                           kScaleInterval);
  }
}

}  // namespace prune2to4
