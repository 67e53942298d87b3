// SPDX-License-Identifier: Apache-2.0
#include "train/mask_policy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>

#include <stdexcept>

#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

// Of what is kept; its square is no denormal number.
constexpr double kLeastScore = 1e-18;

at::Tensor range(const at::Tensor& flat, const Parameter& parameter) {
  return flat.narrow(0, parameter.offset, parameter.size).view(parameter.value.sizes());
}

}  // namespace

void refresh_masks(Parameters& parameters, Optimizer& optimizer, double sparsity) {
  const at::NoGradGuard no_gradients;
  for (const Parameter& parameter : parameters.list) {
    if (parameter.pruned == nullptr) continue;
    MaskOptions options = parameter.pruned->mask;
    options.sparsity_level *= sparsity;
    const at::Tensor before = range(parameters.mask, parameter);
    at::Tensor score =
        optimizer.saliency.defined() ? range(optimizer.saliency, parameter) : parameter.value.detach();
    // What was pruned goes before what is kept, also where that one's score is 0: else both would be pruned.
    if (before.eq(0).any().item<bool>()) score = score.abs().clamp_min(kLeastScore) * before;
    std::vector<uint8_t> kept = weight_norm_mask(score.to(at::kCPU).contiguous(), options);
    const at::Tensor mask = at::from_blob(kept.data(), parameter.value.sizes(), at::kByte);
    before.mul_(mask.to(parameters.mask.device()));
  }
  if (parameters.pruned == 0) return;
  for (at::Tensor* flat : {&parameters.values, &optimizer.exp_avg, &optimizer.exp_avg_sq, &optimizer.average,
                           &optimizer.saliency}) {
    if (!flat->defined()) continue;
    flat->narrow(0, 0, parameters.pruned).mul_(parameters.mask).add_(0.0);  // -0.0 + 0.0 is +0.0
  }
}

double check_masks(const Parameters& parameters) {
  if (parameters.pruned == 0) return 0;
  const at::Tensor values = parameters.values.narrow(0, 0, parameters.pruned);
  if (values.ne(0).logical_and(parameters.mask.eq(0)).any().item<bool>()) {
    for (const Parameter& parameter : parameters.list) {
      if (parameter.pruned == nullptr) continue;
      const at::Tensor revived = parameter.value.ne(0).logical_and(range(parameters.mask, parameter).eq(0));
      if (revived.any().item<bool>())
        throw std::logic_error("training revived pruned elements of " + parameter.name);
    }
  }
  return values.eq(0).to(at::kDouble).mean().item<double>();
}

}  // namespace prune2to4
