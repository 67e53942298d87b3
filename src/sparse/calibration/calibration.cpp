// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/calibration.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "prune2to4/error.h"
#include "prune2to4/tensor_mask.h"
#include "sparse/calibration/reconstruction.h"
#include "sparse/calibration/sparse_gpt.h"

namespace prune2to4 {
namespace {

constexpr const char* kStage = "calibration";
// A variance below this share of the mean square is rounding.
constexpr double kConstantVariance = 1e-6;

void check_mask(const MaskOptions& mask) {
  const auto fail = [](const std::string& message) { throw Error(ExitStatus::kUsage, kStage, message); };
  if (mask.sparse_block_shape[0] != 1) {
    fail("sparse_block_shape " + std::to_string(mask.sparse_block_shape[0]) + " x " +
         std::to_string(mask.sparse_block_shape[1]) + ": inputs choose within one row, so use 1 x M");
  }
  if (mask.sparsity_level > 0 && mask.sparsity_level < 1) {
    fail("sparsity_level " + std::to_string(mask.sparsity_level) +
         ": inputs choose within every block or none, so use 1 or 0");
  }
  if (mask.ties != Ties::kLowestIndex) fail("ties torch: only the weight norm has PyTorch's ties");
}

void check_options(const CalibrationOptions& options) {
  if (!(options.damping >= 0) || !std::isfinite(options.damping)) {
    throw Error(ExitStatus::kUsage, kStage, "damping must be a number of 0 or more");
  }
  if (options.column_block < 1) throw Error(ExitStatus::kUsage, kStage, "column_block must be at least 1");
}

bool finite(const at::Tensor& tensor) { return tensor.isfinite().all().item<bool>(); }

void check_values(const at::Tensor& weight, const InputMoments& moments) {
  TORCH_CHECK_VALUE(weight.dim() == 2, "[calibration] a weight of ", weight.dim(), " dimensions");
  const int64_t in = weight.size(1);
  TORCH_CHECK_VALUE(
      moments.products.sizes() == at::IntArrayRef({in, in}) && moments.sums.sizes() == at::IntArrayRef({in}),
      "[calibration] moments of ", moments.products.sizes(), " and ", moments.sums.sizes(),
      " for a weight of ", weight.sizes());
  if (moments.tokens < 1) throw Error(ExitStatus::kData, kStage, "the layer saw no tokens");
  if (!finite(moments.products) || !finite(moments.sums)) {
    throw Error(
        ExitStatus::kData, kStage,
        "the layer's inputs are not finite, or their squares overflow; run the model in fp32 or leave "
        "the layer out");
  }
  if (!finite(weight)) throw Error(ExitStatus::kModel, kStage, "the weight has NaN or infinity");
}

std::string inputs_are(int64_t count, const std::string& what) {
  return std::to_string(count) + (count == 1 ? " input is " : " inputs are ") + what;
}

void note_inputs(const InputMoments& moments, const at::Tensor& dead, std::vector<std::string>& notes) {
  const auto tokens = static_cast<double>(moments.tokens);
  const at::Tensor square = moments.products.diagonal().to(at::kDouble) / tokens;
  const at::Tensor mean = moments.sums.to(at::kDouble) / tokens;
  const at::Tensor constant = (square - mean.square() <= square * kConstantVariance).logical_and(~dead);
  const auto count = [](const at::Tensor& which) { return which.sum().item<int64_t>(); };
  if (const int64_t n = count(dead)) notes.push_back(inputs_are(n, "always zero"));
  if (const int64_t n = count(constant)) notes.push_back(inputs_are(n, "constant"));
}

// `products` with `damping` times the diagonal's mean on the diagonal; positive there for dead inputs too.
at::Tensor damped(const at::Tensor& products, const at::Tensor& dead, double damping) {
  at::Tensor result = products.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  const at::Tensor mean = result.diagonal().mean();
  result.diagonal().add_(mean * damping);
  result.diagonal().copy_(at::where(dead, at::where(mean > 0, mean, 1), result.diagonal()));
  return result;
}

// The least squares of W d over x, damped towards W: |W d - W' x|^2 is a constant and the square of (W* - W')
// x.
at::Tensor dense_target(const at::Tensor& weight, const InputMoments& moments, const at::Tensor& products,
                        double damping) {
  at::Tensor cross = moments.cross.to(at::kDouble);
  cross.diagonal().add_(moments.products.diagonal().mean() * damping);
  const at::Tensor wanted = weight.to(at::kDouble).matmul(cross);
  return at::linalg_solve(products.to(at::kDouble), wanted, /*left=*/false).to(at::kFloat);
}

MaskedWeight prune(const at::Tensor& weight, const InputMoments& moments, const GroupShape& shape,
                   const CalibrationOptions& options, std::vector<std::string>& notes) {
  const at::Tensor dead = moments.products.diagonal() <= 0;
  note_inputs(moments, dead, notes);
  if (options.method == CalibrationMethod::kWanda) {
    const at::Tensor root_mean_square = (moments.products.diagonal() / moments.tokens).clamp_min(0).sqrt();
    const at::Tensor keep = keep_largest(weight.abs() * root_mean_square, shape);
    return {weight, keep};
  }
  const at::Tensor products = damped(moments.products, dead, options.damping);
  const bool fit_dense = moments.cross.defined() && options.method == CalibrationMethod::kReconstruction;
  const at::Tensor target = fit_dense ? dense_target(weight, moments, products, options.damping) : weight;
  const at::Tensor live = target.masked_fill(dead, 0);
  if (options.method == CalibrationMethod::kSparseGpt) {
    return sparse_gpt(live, products, shape, options.column_block, notes);
  }
  const at::Tensor keep = reconstruction_mask(live, products, shape);
  return {refit_kept(live, products, keep), keep};
}

MaskedWeight choose(const at::Tensor& weight, const InputMoments& moments, const MaskOptions& mask,
                    const CalibrationOptions& options, std::vector<std::string>& notes) {
  const GroupShape shape{mask.zeros_per_block, mask.sparse_block_shape[1]};
  if (mask.sparsity_level <= 0 || shape.zeros == 0) return {weight, at::ones_like(weight, at::kBool)};
  if (shape.zeros == shape.block) return {weight, at::zeros_like(weight, at::kBool)};
  return prune(weight, moments, shape, options, notes);
}

double squared_norm(const at::Tensor& weight, const at::Tensor& products) {
  return (weight.matmul(products) * weight).sum(at::kDouble).item<double>();
}

}  // namespace

double output_error(const at::Tensor& weight, const at::Tensor& pruned, const InputMoments& moments) {
  const at::NoGradGuard no_grad;
  const at::Tensor original = weight.to(at::kFloat);
  const at::Tensor changed = pruned.to(at::kFloat);
  const bool cross = moments.cross.defined();
  const double whole = squared_norm(original, cross ? moments.dense_products : moments.products);
  if (!(whole > 0)) return 0;
  const double lost =
      cross ? whole - 2 * (original.matmul(moments.cross) * changed).sum(at::kDouble).item<double>() +
                  squared_norm(changed, moments.products)
            : squared_norm(original - changed, moments.products);
  return std::sqrt(std::max(lost, 0.0) / whole);
}

at::Tensor mean_output_change(const at::Tensor& weight, const at::Tensor& pruned,
                              const InputMoments& moments) {
  const at::NoGradGuard no_grad;
  const at::Tensor& dense = moments.cross.defined() ? moments.dense_sums : moments.sums;
  const auto tokens = static_cast<double>(moments.tokens);
  return (weight.to(at::kFloat).mv(dense) - pruned.to(at::kFloat).mv(moments.sums)) / tokens;
}

CalibratedWeight calibrate_weight(const at::Tensor& weight, const InputMoments& moments,
                                  const MaskOptions& mask, const CalibrationOptions& options) {
  const at::NoGradGuard no_grad;
  check_mask(mask);
  check_options(options);
  check_values(weight, moments);
  const std::vector<uint8_t> norm_mask = weight_norm_mask(weight, mask);  // checks the rest of `mask`
  const at::Tensor original = weight.detach().to(at::kFloat).contiguous();
  CalibratedWeight result;
  const MaskedWeight chosen = choose(original, moments, mask, options, result.notes);
  result.weight = at::where(chosen.keep, chosen.weight, 0);
  const at::Tensor keep = chosen.keep.to(at::kCPU, at::kByte).contiguous();
  const auto* data = keep.const_data_ptr<uint8_t>();
  result.mask.assign(data, data + keep.numel());
  result.error = output_error(original, result.weight, moments);
  const at::Tensor norm_keep =
      at::from_blob(const_cast<uint8_t*>(norm_mask.data()), weight.sizes(), at::kByte)
          .to(weight.device(), at::kBool);
  result.weight_norm_error = output_error(original, at::where(norm_keep, original, 0), moments);
  return result;
}

}  // namespace prune2to4
