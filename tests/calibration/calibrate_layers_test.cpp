// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/calibrate_layers.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <limits>
#include <map>

#include "model/layer_choices.h"
#include "prune2to4/batches.h"
#include "prune2to4/error.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/runner.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

// Mean over the windows of |logits - wanted|^2.
double logit_error(const torch::jit::Module& model, const torch::jit::Module& wanted,
                   const TokenizedSquad& data) {
  double sum = 0;
  Runner first("first", model, at::kCPU);
  Runner second("second", wanted, at::kCPU);
  for (int64_t window = 0; window < data.windows(); ++window) {
    const TextBatch batch = fill_batch(data, std::vector{window}, 1, data.length(window));
    const SpanLogits a = first.run(batch);
    const SpanLogits b = second.run(batch);
    sum += ((a.start - b.start).square().sum() + (a.end - b.end).square().sum()).item<double>();
  }
  return sum;
}

}  // namespace

CATCH_TEST_CASE("every method's weights are 2:4, and ours changes the outputs least") {
  const TokenizedSquad data = marked_squad(40);
  const torch::jit::Module dense = traced_model("tiny_bert");
  std::vector<double> errors;
  for (const auto& [name, method] : kCalibrationMethods) {
    CATCH_INFO(name);
    InlinedModel model(dense.clone(), false);
    const auto choices = choose_all(model);
    const CalibratedLayers layers = calibrate_layers(model, choices, data, {.method = method, .windows = 30});
    CATCH_CHECK(layers.windows == 30);
    CATCH_CHECK(layers.weights.size() == model.linears().size());
    auto reports = mask_layers(model, choices, false, layers.weights);
    check_layers(model, false, reports);
    double error = 0;
    for (size_t i = 0; i < reports.size(); ++i) {
      CATCH_CHECK(reports[i].outcome == LayerReport::Outcome::kPacked);
      const CalibratedWeight& weight = layers.weights.at(reports[i].name);
      const at::Tensor& held = model.linears()[i].weight;
      CATCH_CHECK(at::equal(held.detach(), weight.weight));
      CATCH_CHECK(
          held.detach().contiguous().view(at::kInt).eq(0).view({-1, 4}).sum(1).ge(2).all().item<bool>());
      CATCH_REQUIRE(reports[i].output_error);
      CATCH_CHECK(reports[i].output_error->chosen == weight.error);
      if (!method) CATCH_CHECK(weight.error == weight.weight_norm_error);
      error += weight.error;
    }
    errors.push_back(error);
    CATCH_CHECK(logit_error(model.rewrite({}), InlinedModel(dense.clone(), false).rewrite({}), data) > 0);
  }
  CATCH_CHECK(errors[3] < errors[2]);  // reconstruction, SparseGPT
  CATCH_CHECK(errors[2] < errors[0]);  // weight norm
}

CATCH_TEST_CASE("a calibrated model's logits are nearer to the dense ones than a weight-norm model's") {
  const TokenizedSquad data = marked_squad(40);
  const torch::jit::Module source = traced_model("tiny_bert");
  const torch::jit::Module dense = InlinedModel(source.clone(), false).rewrite({});
  const auto error = [&](std::optional<CalibrationMethod> method) {
    InlinedModel model(source.clone(), false);
    const auto choices = choose_all(model);
    mask_layers(model, choices, false, calibrate_layers(model, choices, data, {.method = method}).weights);
    return logit_error(model.rewrite({}), dense, data);
  };
  CATCH_CHECK(error(CalibrationMethod::kReconstruction) < 0.7 * error(std::nullopt));
}

CATCH_TEST_CASE("layer after layer, the weights fit what the pruned layers before them give") {
  const TokenizedSquad data = marked_squad(24);
  InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  const auto choices = choose_all(model);
  const CalibratedLayers apart = calibrate_layers(model, choices, data, {});
  const CalibratedLayers layers = calibrate_layers(model, choices, data, {.sequential = true});
  CATCH_REQUIRE(layers.weights.size() == apart.weights.size());
  const std::string& first = choices.front().name;
  CATCH_CHECK(at::allclose(layers.weights.at(first).weight, apart.weights.at(first).weight, 1e-3, 1e-4));
  const std::string& last = choices[choices.size() - 2].name;
  CATCH_CHECK(!at::allclose(layers.weights.at(last).weight, apart.weights.at(last).weight, 1e-2, 1e-3));
  auto reports = mask_layers(model, choices, false, layers.weights);
  check_layers(model, false, reports);
  for (const LayerReport& report : reports) CATCH_CHECK(report.outcome == LayerReport::Outcome::kPacked);
}

CATCH_TEST_CASE("a corrected bias takes up the mean of what its layer loses") {
  const TokenizedSquad data = marked_squad(24);
  InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  const auto choices = choose_all(model);
  const bool sequential = GENERATE(false, true);
  const CalibratedLayers layers = calibrate_layers(
      model, choices, data, {.method = std::nullopt, .sequential = sequential, .correct_bias = true});
  const auto biases = linear_biases(model.rewrite({}));
  CATCH_REQUIRE(biases.size() == choices.size());
  std::map<std::string, at::Tensor> before;
  for (const auto& [weight, bias] : biases) before.emplace(weight, bias.tensor.detach().clone());
  mask_layers(model, choices, false, layers.weights);
  for (const auto& [weight, bias] : biases) {
    const CalibratedWeight& calibrated = layers.weights.at(weight);
    CATCH_CHECK(calibrated.bias_name == bias.name);
    CATCH_CHECK(calibrated.bias_change.abs().max().item<double>() > 0);
    CATCH_CHECK(at::equal(bias.tensor.detach(), before.at(weight) + calibrated.bias_change));
  }
}

CATCH_TEST_CASE("other blocks, and layers that are not chosen") {
  const TokenizedSquad data = marked_squad(20);
  InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  auto choices = choose_all(model);
  choices[1].selected = false;
  choices[2].mask.sparse_block_shape = {1, 8};
  choices[2].mask.zeros_per_block = 6;
  const CalibratedLayers layers = calibrate_layers(model, choices, data, {});
  CATCH_CHECK(!layers.weights.contains(choices[1].name));
  const auto& mask = layers.weights.at(choices[2].name).mask;
  for (size_t block = 0; block < mask.size(); block += 8)
    CATCH_CHECK(std::count(mask.begin() + static_cast<std::ptrdiff_t>(block),
                           mask.begin() + static_cast<std::ptrdiff_t>(block + 8), 1) == 2);
  const auto reports = mask_layers(model, choices, false, layers.weights);
  CATCH_CHECK(!reports[1].output_error);
  CATCH_CHECK(reports[2].output_error);
  choices[2].mask.sparse_block_shape = {2, 4};
  CATCH_CHECK_THROWS_WITH(calibrate_layers(model, choices, data, {}), Contains("sparse_block_shape"));
}

CATCH_TEST_CASE("a layer that is not finite is left to the weight norm, and named") {
  const TokenizedSquad data = marked_squad(6);
  InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  const size_t last = model.linears().size() - 1;
  at::Tensor weight = model.linears()[last].weight.detach().clone();
  weight[0][0] = std::numeric_limits<float>::quiet_NaN();
  model.set_weight(last, weight);
  const CalibratedLayers layers = calibrate_layers(model, choose_all(model), data, {});
  CATCH_REQUIRE(layers.warnings.size() == 1);
  CATCH_CHECK_THAT(layers.warnings[0], Contains(model.linears()[last].name) && Contains("NaN"));
  CATCH_CHECK(layers.weights.size() == last);
}

CATCH_TEST_CASE("fine-tuning begins with the calibrated weights and holds their zeros") {
  const TokenizedSquad data = marked_squad(40);
  InlinedModel model(traced_model("tiny_bert"), false);
  const auto choices = choose_all(model);
  const CalibratedLayers layers = calibrate_layers(model, choices, data, {});
  mask_layers(model, choices, false, layers.weights);
  torch::jit::Module module = model.rewrite({}).clone();
  std::vector<PrunedWeight> pruned;
  for (const LayerChoice& choice : choices) pruned.push_back({choice.name, choice.mask});
  TrainOptions options;
  options.name = "sparse";
  options.recipe = small_recipe(1);
  train(module, pruned, data, options);
  int64_t moved = 0;
  for (const NamedTensor& each : forward_parameters(module)) {
    const auto found = layers.weights.find(each.name);
    if (found == layers.weights.end()) continue;
    const at::Tensor begun = found->second.weight;
    CATCH_INFO(each.name);
    // A kept weight that is zero may change places with a pruned one.
    const at::Tensor exact = begun.eq(0).view({-1, 4}).sum(1).eq(2).repeat_interleave(4).view(begun.sizes());
    CATCH_CHECK(exact.to(at::kFloat).mean().item<double>() > 0.99);
    const at::Tensor held = each.tensor.detach().eq(0);
    CATCH_CHECK(held.logical_or(begun.ne(0)).logical_or(exact.logical_not()).all().item<bool>());
    moved += each.tensor.detach().ne(begun).sum().item<int64_t>();
  }
  CATCH_CHECK(moved > 1000);
}

}  // namespace prune2to4
