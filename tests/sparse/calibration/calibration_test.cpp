// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/calibration.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>

#include "prune2to4/error.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

const std::vector<CalibrationMethod> kMethods{CalibrationMethod::kWanda, CalibrationMethod::kSparseGpt,
                                              CalibrationMethod::kReconstruction};

MaskOptions groups(int64_t zeros, int64_t block) {
  MaskOptions mask;
  mask.sparse_block_shape = {1, block};
  mask.zeros_per_block = zeros;
  return mask;
}

CalibrationOptions with(CalibrationMethod method) {
  CalibrationOptions options;
  options.method = method;
  return options;
}

InputMoments moments_of(const at::Tensor& inputs) {
  InputMoments moments;
  moments.products = inputs.t().matmul(inputs);
  moments.sums = inputs.sum(0);
  moments.tokens = inputs.size(0);
  return moments;
}

struct Layer {
  at::Tensor weight;  // [out, in]
  at::Tensor inputs;  // [tokens, in]
};

// Features of differing scale, a few directions of which hold most of the variance.
Layer correlated_layer(int64_t out, int64_t in, int64_t tokens) {
  at::manual_seed(7);
  const at::Tensor directions = at::randn({in / 4, in}) * at::randn({in}).exp();
  const at::Tensor inputs = at::randn({tokens, in / 4}).matmul(directions) + at::randn({tokens, in}) * 0.5;
  return {at::randn({out, in}), inputs};
}

// Kept elements of each whole group, [groups].
at::Tensor kept_in_groups(const CalibratedWeight& result, int64_t block) {
  const auto size = static_cast<int64_t>(result.mask.size());
  const at::Tensor mask = at::tensor(at::ArrayRef<uint8_t>(result.mask), at::kByte);
  return mask.reshape({size / block, block}).sum(1);
}

CATCH_TEST_CASE("every method leaves the asked-for number of weights in each group", "[calibration]") {
  const Layer layer = correlated_layer(12, 32, 200);
  const auto [zeros, block] = GENERATE(std::pair(2, 4), std::pair(3, 4), std::pair(1, 4), std::pair(4, 8));
  const CalibrationMethod method = GENERATE(from_range(kMethods));
  const CalibratedWeight result =
      calibrate_weight(layer.weight, moments_of(layer.inputs), groups(zeros, block), with(method));
  CATCH_CHECK((kept_in_groups(result, block) == block - zeros).all().item<bool>());
  const at::Tensor mask =
      at::tensor(at::ArrayRef<uint8_t>(result.mask), at::kByte).reshape(layer.weight.sizes());
  const at::Tensor pruned = result.weight.masked_select(mask == 0);
  CATCH_CHECK(pruned.view(at::kInt).eq(0).all().item<bool>());  // to the bit: no -0.0
  CATCH_CHECK(result.weight.masked_select(mask == 1).ne(0).all().item<bool>());
  CATCH_CHECK(result.notes.empty());
}

CATCH_TEST_CASE("each method loses less of the outputs than the one before", "[calibration]") {
  const Layer layer = correlated_layer(24, 64, 500);
  const InputMoments moments = moments_of(layer.inputs);
  double last = 1;
  for (const CalibrationMethod method : kMethods) {
    const CalibratedWeight result = calibrate_weight(layer.weight, moments, {}, with(method));
    const at::Tensor outputs = layer.inputs.matmul(layer.weight.t());
    const at::Tensor lost = outputs - layer.inputs.matmul(result.weight.t());
    CATCH_CHECK(result.error == Approx((lost.norm() / outputs.norm()).item<double>()).epsilon(1e-3));
    CATCH_CHECK(result.error < result.weight_norm_error);
    CATCH_CHECK(result.error < 0.97 * last);
    last = result.error;
  }
}

CATCH_TEST_CASE("no change of the kept weights makes the reconstruction better", "[calibration]") {
  const Layer layer = correlated_layer(8, 32, 400);
  const InputMoments moments = moments_of(layer.inputs);
  CalibrationOptions options;
  options.damping = 0;
  const CalibratedWeight result = calibrate_weight(layer.weight, moments, {}, options);
  for (int64_t row = 0; row < 8; ++row) {
    const at::Tensor kept = result.weight[row].nonzero().squeeze(1);
    const at::Tensor chosen = layer.inputs.index_select(1, kept).to(at::kDouble);
    const at::Tensor target = layer.inputs.matmul(layer.weight[row]).to(at::kDouble);
    const at::Tensor best = std::get<0>(at::linalg_lstsq(chosen, target.unsqueeze(1))).squeeze(1);
    const at::Tensor found = result.weight[row].index_select(0, kept).to(at::kDouble);
    CATCH_CHECK((chosen.matmul(found) - target).norm().item<double>() <=
                (chosen.matmul(best) - target).norm().item<double>() * (1 + 1e-4));
  }
}

CATCH_TEST_CASE("with cross moments the weights are fit to what the dense inputs give", "[calibration]") {
  const Layer layer = correlated_layer(16, 32, 400);
  const at::Tensor pruned = layer.inputs.matmul(at::eye(32) + at::randn({32, 32}) * 0.05);
  InputMoments moments = moments_of(pruned);
  const CalibratedWeight plain = calibrate_weight(layer.weight, moments, {}, {});
  moments.cross = layer.inputs.t().matmul(pruned);
  moments.dense_products = layer.inputs.t().matmul(layer.inputs);
  moments.dense_sums = layer.inputs.sum(0);
  const auto direct = [&](const at::Tensor& weight) {
    const at::Tensor wanted = layer.inputs.to(at::kDouble).matmul(layer.weight.to(at::kDouble).t());
    const at::Tensor found = pruned.to(at::kDouble).matmul(weight.to(at::kDouble).t());
    return ((wanted - found).norm() / wanted.norm()).item<double>();
  };
  const CalibratedWeight fitted = calibrate_weight(layer.weight, moments, {}, {});
  CATCH_CHECK(fitted.error == Approx(direct(fitted.weight)).epsilon(1e-3));
  CATCH_CHECK(output_error(layer.weight, plain.weight, moments) ==
              Approx(direct(plain.weight)).epsilon(1e-3));
  CATCH_CHECK(fitted.error < 0.9 * direct(plain.weight));
  const at::Tensor change = mean_output_change(layer.weight, fitted.weight, moments);
  const at::Tensor wanted =
      (layer.inputs.matmul(layer.weight.t()) - pruned.matmul(fitted.weight.t())).mean(0);
  CATCH_CHECK(at::allclose(change, wanted, 1e-3, 1e-4));
}

CATCH_TEST_CASE("inputs that are always zero are pruned first and named", "[calibration]") {
  Layer layer = correlated_layer(12, 32, 200);
  layer.inputs.narrow(1, 4, 3).zero_();
  const CalibrationMethod method = GENERATE(from_range(kMethods));
  const CalibratedWeight result = calibrate_weight(layer.weight, moments_of(layer.inputs), {}, with(method));
  CATCH_CHECK((kept_in_groups(result, 4) == 2).all().item<bool>());
  CATCH_CHECK(result.weight.select(1, 7).ne(0).all().item<bool>());
  CATCH_CHECK(result.weight.isfinite().all().item<bool>());
  CATCH_CHECK(result.notes == std::vector<std::string>{"3 inputs are always zero"});
}

CATCH_TEST_CASE("a layer that sees only zeros stays finite", "[calibration]") {
  const Layer layer = correlated_layer(12, 32, 200);
  const CalibrationMethod method = GENERATE(from_range(kMethods));
  const CalibratedWeight result =
      calibrate_weight(layer.weight, moments_of(layer.inputs * 0), {}, with(method));
  CATCH_CHECK((kept_in_groups(result, 4) == 2).all().item<bool>());
  CATCH_CHECK(result.weight.isfinite().all().item<bool>());
  CATCH_CHECK(result.error == 0);
}

CATCH_TEST_CASE("constant inputs are named", "[calibration]") {
  Layer layer = correlated_layer(12, 32, 200);
  layer.inputs.select(1, 5).fill_(3);
  const CalibratedWeight result = calibrate_weight(layer.weight, moments_of(layer.inputs), {}, {});
  CATCH_CHECK(result.notes == std::vector<std::string>{"1 input is constant"});
  CATCH_CHECK(result.error < result.weight_norm_error);
}

CATCH_TEST_CASE("singular moments without damping are handled", "[calibration]") {
  const Layer layer = correlated_layer(12, 32, 10);
  const InputMoments moments = moments_of(layer.inputs);
  CalibrationOptions options;
  options.damping = 0;
  options.method = GENERATE(CalibrationMethod::kSparseGpt, CalibrationMethod::kReconstruction);
  const CalibratedWeight result = calibrate_weight(layer.weight, moments, {}, options);
  CATCH_CHECK((kept_in_groups(result, 4) == 2).all().item<bool>());
  CATCH_CHECK(result.weight.isfinite().all().item<bool>());
  CATCH_CHECK(result.error < 0.5 * result.weight_norm_error);
  if (options.method == CalibrationMethod::kSparseGpt) {
    CATCH_REQUIRE(result.notes.size() == 1);
    CATCH_CHECK_THAT(result.notes[0], Contains("singular moments: damping raised by"));
  }
}

CATCH_TEST_CASE("a last group that the edge cuts off loses what it has", "[calibration]") {
  const Layer layer = correlated_layer(6, 22, 200);
  const CalibrationMethod method = GENERATE(from_range(kMethods));
  const CalibratedWeight result =
      calibrate_weight(layer.weight, moments_of(layer.inputs), groups(2, 4), with(method));
  CATCH_CHECK(result.weight.slice(1, 20).eq(0).all().item<bool>());
  CATCH_CHECK(((result.weight.slice(1, 0, 20) != 0).sum(1) == 10).all().item<bool>());
}

CATCH_TEST_CASE("half-precision weights are calibrated as what they hold", "[calibration]") {
  const Layer layer = correlated_layer(12, 32, 200);
  const at::Tensor half = layer.weight.to(at::kHalf);
  const CalibratedWeight result = calibrate_weight(half, moments_of(layer.inputs), {}, {});
  CATCH_CHECK(at::equal(result.weight,
                        calibrate_weight(half.to(at::kFloat), moments_of(layer.inputs), {}, {}).weight));
}

CATCH_TEST_CASE("level 0 and all zeros leave nothing to choose", "[calibration]") {
  const Layer layer = correlated_layer(4, 16, 50);
  MaskOptions none;
  none.sparsity_level = 0;
  const CalibratedWeight dense = calibrate_weight(layer.weight, moments_of(layer.inputs), none, {});
  CATCH_CHECK(at::equal(dense.weight, layer.weight));
  CATCH_CHECK(dense.error == 0);
  const CalibratedWeight empty = calibrate_weight(layer.weight, moments_of(layer.inputs), groups(4, 4), {});
  CATCH_CHECK(empty.weight.eq(0).all().item<bool>());
  CATCH_CHECK(empty.error == Approx(1));
}

CATCH_TEST_CASE("what cannot be calibrated is refused by name", "[calibration]") {
  const Layer layer = correlated_layer(4, 16, 50);
  const InputMoments moments = moments_of(layer.inputs);
  const auto refuses = [&](const at::Tensor& weight, const InputMoments& seen, const MaskOptions& mask,
                           const CalibrationOptions& options, const char* message) {
    CATCH_CHECK_THROWS_WITH(calibrate_weight(weight, seen, mask, options), Contains(message));
  };
  MaskOptions blocks;
  blocks.sparse_block_shape = {2, 2};
  refuses(layer.weight, moments, blocks, {}, "sparse_block_shape 2 x 2");
  MaskOptions level;
  level.sparsity_level = 0.5;
  refuses(layer.weight, moments, level, {}, "sparsity_level 0.5");
  MaskOptions ties;
  ties.ties = Ties::kTorch;
  refuses(layer.weight, moments, ties, {}, "ties torch");
  CalibrationOptions damping;
  damping.damping = -1;
  refuses(layer.weight, moments, {}, damping, "damping");
  CalibrationOptions columns;
  columns.column_block = 0;
  refuses(layer.weight, moments, {}, columns, "column_block");
  InputMoments unseen = moments;
  unseen.tokens = 0;
  refuses(layer.weight, unseen, {}, {}, "no tokens");
  InputMoments broken = moments_of(layer.inputs);
  broken.products[3][3] = std::numeric_limits<float>::quiet_NaN();
  refuses(layer.weight, broken, {}, {}, "inputs are not finite");
  const at::Tensor infinite = layer.weight.clone();
  infinite[1][2] = std::numeric_limits<float>::infinity();
  refuses(infinite, moments, {}, {}, "the weight has NaN or infinity");
  refuses(layer.weight.narrow(1, 0, 8), moments, {}, {}, "moments of [16, 16]");
}

}  // namespace
}  // namespace prune2to4
