// SPDX-License-Identifier: Apache-2.0
#include "sparse/calibration/reconstruction.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace prune2to4 {
namespace {

constexpr int kMaxSteps = 300;
constexpr int kStepsPerPenalty = 3;
constexpr int kMinSteps = 12;
constexpr int kRefitSteps = 60;

// How much the penalty grows, by the share of kept weights that changed places: fast while masks differ
// widely anyway, slowly when they settle (ALPS's schedule).
double penalty_growth(double changed) {
  if (changed > 0.1) return 1.3;
  return changed > 0.005 ? 1.2 : 1.1;
}

// One problem with inputs scaled to H's diagonal of 1, which makes one penalty fit all inputs.
struct ScaledProblem {
  at::Tensor scale;    // [in]: root of H's diagonal
  at::Tensor weight;   // [out, in]: W * scale
  at::Tensor targets;  // [out, in]: the scaled W H
  at::Tensor vectors;  // [in, in]: H's eigenvectors, in columns
  at::Tensor values;   // [in]
};

ScaledProblem scale_problem(const at::Tensor& weight, const at::Tensor& products) {
  const at::Tensor scale = products.diagonal().sqrt();
  const at::Tensor scaled = products / scale / scale.unsqueeze(1);
  const at::Tensor scaled_weight = weight * scale;
  auto [values, vectors] = at::linalg_eigh(scaled);
  return {scale, scaled_weight, scaled_weight.matmul(scaled), vectors, values.clamp_min(0)};
}

}  // namespace

at::Tensor reconstruction_mask(const at::Tensor& weight, const at::Tensor& products,
                               const GroupShape& shape) {
  const ScaledProblem problem = scale_problem(weight, products);
  at::Tensor keep = keep_largest(problem.weight.abs(), shape);
  at::Tensor projected = problem.weight * keep;
  at::Tensor dual = at::zeros_like(projected);
  at::Tensor settled = keep;
  double penalty = 0.1;
  for (int step = 1; step <= kMaxSteps; ++step) {
    // (W H - V + rho D) (H + rho)^-1
    const at::Tensor right = problem.targets - dual + projected * penalty;
    const at::Tensor free =
        (right.matmul(problem.vectors) / (problem.values + penalty)).matmul(problem.vectors.t());
    const at::Tensor shifted = free + dual / penalty;
    keep = keep_largest(shifted.abs(), shape);
    projected = shifted * keep;
    dual = dual + (free - projected) * penalty;
    if (step % kStepsPerPenalty != 0) continue;
    const double changed = (keep != settled).sum().item<double>() / keep.sum().item<double>();
    if (changed == 0 && step >= kMinSteps) break;
    settled = keep;
    penalty *= penalty_growth(changed);
  }
  return keep;
}

// Conjugate gradients with a diagonal preconditioner, each row a problem of its own.
at::Tensor refit_kept(const at::Tensor& weight, const at::Tensor& products, const at::Tensor& keep) {
  const at::Tensor diagonal = products.diagonal();
  at::Tensor result = weight * keep;
  at::Tensor residual = (weight - result).matmul(products) * keep;
  at::Tensor direction = residual / diagonal;
  at::Tensor decrease = (residual * direction).sum(1, /*keepdim=*/true);
  for (int step = 0; step < kRefitSteps; ++step) {
    const at::Tensor image = direction.matmul(products) * keep;
    const at::Tensor curvature = (direction * image).sum(1, true);
    const at::Tensor length = at::where(curvature > 0, decrease / curvature, 0);
    result = result + direction * length;
    residual = residual - image * length;
    const at::Tensor preconditioned = residual / diagonal;
    const at::Tensor next = (residual * preconditioned).sum(1, true);
    direction = preconditioned + direction * at::where(decrease > 0, next / decrease, 0);
    decrease = next;
  }
  return result;
}

}  // namespace prune2to4
