// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/sensitivity.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <numeric>

#include "prune2to4/batches.h"
#include "prune2to4/error.h"
#include "prune2to4/runner.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

constexpr const char* kModel = "bert_sdpa_tf4";

// The first `count` of the model's linears.
std::vector<LayerChoice> choose(const InlinedModel& model, size_t count) {
  std::vector<LayerChoice> choices;
  for (const LinearLayer& linear : model.linears()) {
    choices.push_back({linear.name, choices.size() < count, {}, "a rule"});
  }
  return choices;
}

std::vector<int64_t> all_windows(const TokenizedSquad& data) {
  std::vector<int64_t> windows(static_cast<size_t>(data.windows()));
  std::iota(windows.begin(), windows.end(), 0);
  return windows;
}

// Start and end logits of each window, alone, fp64 [2, length].
std::vector<at::Tensor> logits_of(const torch::jit::Module& model, const TokenizedSquad& data) {
  Runner runner("model", model, at::kCPU);
  std::vector<at::Tensor> logits;
  for (const int64_t window : all_windows(data)) {
    const SpanLogits found = runner.run(fill_batch(data, std::vector{window}, 1, data.length(window)));
    logits.push_back(at::cat({found.start, found.end}).to(at::kDouble));
  }
  return logits;
}

double f1_of(const torch::jit::Module& model, const Questions& questions) {
  Runner runner("model", model, at::kCPU);
  return evaluate({&runner}, questions, {}).front().score.all.f1;
}

}  // namespace

CATCH_TEST_CASE("each layer costs what a model with that layer alone pruned does") {
  const TokenizedSquad data = marked_squad(30);
  const InlinedModel model(traced_model(kModel), false);
  const auto choices = choose(model, 4);
  const Questions questions = choose_questions(data, 0);
  const torch::jit::Module dense = model.rewrite({}).clone();
  const Sensitivity found =
      measure_sensitivity(model, choices, {}, {data, all_windows(data), questions}, {.batch_tokens = 40});
  CATCH_CHECK(*found.dense_f1 == f1_of(dense, questions));
  CATCH_REQUIRE(found.layers.size() == 4);
  const auto wanted = logits_of(dense, data);
  for (size_t i = 0; i < 4; ++i) {
    InlinedModel pruned(traced_model(kModel), false);
    auto single = choose(pruned, 0);
    single[i].selected = true;
    mask_layers(pruned, single, false);
    const auto cost = std::find_if(found.layers.begin(), found.layers.end(),
                                   [&](const LayerCost& each) { return each.name == single[i].name; });
    CATCH_REQUIRE(cost != found.layers.end());
    const auto logits = logits_of(pruned.rewrite({}), data);
    double squared = 0;
    double whole = 0;
    double divergence = 0;
    for (size_t window = 0; window < logits.size(); ++window) {
      squared += (logits[window] - wanted[window]).square().sum().item<double>();
      whole += wanted[window].square().sum().item<double>();
      divergence +=
          at::kl_div(logits[window].log_softmax(1), wanted[window].log_softmax(1), at::Reduction::Sum,
                     /*log_target=*/true)
              .item<double>() /
          2;
    }
    CATCH_CHECK(cost->logit_error == Approx(std::sqrt(squared / whole)).epsilon(1e-3));
    CATCH_CHECK(cost->divergence == Approx(divergence / static_cast<double>(data.windows())).epsilon(1e-2));
    CATCH_CHECK(*cost->f1 == f1_of(pruned.rewrite({}), questions));
  }
  const auto after = logits_of(model.rewrite({}), data);
  for (size_t window = 0; window < after.size(); ++window)
    CATCH_CHECK(at::equal(after[window], wanted[window]));
}

CATCH_TEST_CASE("without questions the divergence ranks the layers, and calibrated weights are measured") {
  const TokenizedSquad data = marked_squad(12);
  const InlinedModel model(traced_model(kModel), false);
  const auto choices = choose(model, 3);
  const SensitivityText text{data, {0, 3, 7}, std::nullopt};
  const Sensitivity norm = measure_sensitivity(model, choices, {}, text, {});
  CATCH_CHECK(!norm.dense_f1);
  CATCH_REQUIRE(norm.layers.size() == 3);
  CATCH_CHECK(norm.layers[0].divergence >= norm.layers[1].divergence);
  CATCH_CHECK(norm.layers[1].divergence >= norm.layers[2].divergence);
  CATCH_CHECK(!norm.layers[0].f1);
  CalibratedWeights same;  // a calibration that changes nothing costs nothing
  for (size_t i = 0; i < 3; ++i) {
    CalibratedWeight& weight = same[choices[i].name];
    weight.weight = model.linears()[i].weight.detach().clone();
    weight.mask.assign(static_cast<size_t>(weight.weight.numel()), 1);
  }
  for (const LayerCost& cost : measure_sensitivity(model, choices, same, text, {}).layers) {
    CATCH_CHECK(cost.logit_error == 0);
    CATCH_CHECK(cost.divergence == Approx(0).margin(1e-12));
  }
  same[choices[1].name].bias_name = "bert.encoder.layer.0.attention.self.key.bias";
  same[choices[0].name].bias_name = "bert.encoder.layer.0.attention.self.query.bias";
  same[choices[0].name].bias_change = at::full({model.linears()[0].weight.size(0)}, 0.5);
  same[choices[1].name].bias_change = at::zeros({model.linears()[1].weight.size(0)});
  const Sensitivity biased = measure_sensitivity(model, choices, same, text, {});
  CATCH_CHECK(biased.layers[0].name == choices[0].name);
  CATCH_CHECK(biased.layers[0].divergence > 0);
  CATCH_CHECK(biased.layers[1].logit_error == 0);
}

CATCH_TEST_CASE("the worst layers are left out, with a rule that says so") {
  const InlinedModel model(traced_model(kModel), false);
  auto choices = choose(model, 3);
  std::vector<LayerCost> costs(3);
  costs[0].name = choices[2].name;
  costs[1].name = choices[0].name;
  costs[2].name = choices[1].name;
  skip_worst(model, 2, costs, choices);
  CATCH_CHECK(!choices[0].selected);
  CATCH_CHECK(choices[1].selected);
  CATCH_CHECK(!choices[2].selected);
  CATCH_CHECK(choices[2].rule == "--skip-worst 2");
  CATCH_CHECK(choices[1].rule == "a rule");
  CATCH_CHECK(costs[1].skipped);
  CATCH_CHECK(!costs[2].skipped);
  CATCH_CHECK_THROWS_WITH(skip_worst(model, 3, costs, choices), Contains("--skip-worst 3 leaves none of 3"));
}

}  // namespace prune2to4
