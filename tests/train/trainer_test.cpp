// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "core/temporary_folder.h"
#include "model/small_models.h"
#include "prune2to4/error.h"
#include "prune2to4/module_parameters.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

TrainOptions options_of(const Recipe& recipe) {
  TrainOptions options;
  options.name = "sparse";
  options.recipe = recipe;
  return options;
}

struct Trained {
  torch::jit::Module module;
  TrainingRun run;
};

Trained trained(const TrainOptions& options, const TokenizedSquad& data, bool prune,
                const std::string& model = "bert_sdpa_tf4") {
  Trained result{traced_model(model), {}};
  const auto pruned = prune ? encoder_weights(result.module) : std::vector<PrunedWeight>{};
  result.run = train(result.module, pruned, data, options);
  return result;
}

std::string error_of(const std::function<void()>& work, ExitStatus status) {
  try {
    work();
    return "accepted";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == status);
    return error.what();
  }
}

}  // namespace

CATCH_TEST_CASE("training lowers the loss and leaves the pruned layers exactly 2:4, by every policy") {
  const TokenizedSquad data = marked_squad(40);
  for (const auto& [policy, score] : {std::pair{MaskPolicy::kOneShot, MaskScore::kWeightNorm},
                                      {MaskPolicy::kGradual, MaskScore::kWeightNorm},
                                      {MaskPolicy::kGradual, MaskScore::kMomentum}}) {
    TrainOptions options = options_of(small_recipe(6));
    options.recipe.mask_policy = policy;
    options.recipe.mask_score = score;
    options.recipe.mask_interval = 7;
    torch::jit::Module module = traced_model("tiny_bert");
    const auto pruned = encoder_weights(module);
    CATCH_REQUIRE(pruned.size() == 12);
    CATCH_REQUIRE(broken_groups(module, pruned) > 0);
    const at::Tensor before = flat_parameters(module);
    const TrainingRun run = train(module, pruned, data, options);
    CATCH_CHECK(run.steps == 60);
    CATCH_CHECK(run.points.back().loss < 0.5 * run.points.front().loss);
    CATCH_CHECK(run.points.back().loss == run.points.back().label_loss);
    CATCH_CHECK(broken_groups(module, pruned) == 0);
    CATCH_CHECK(run.epochs.size() == 6);
    CATCH_CHECK(run.epochs.back().sparsity == Approx(0.5));
    CATCH_CHECK(relative_difference(flat_parameters(module), before) > 0.01);
    CATCH_CHECK_THAT(run.engine, Catch::StartsWith("encoder"));
  }
}

CATCH_TEST_CASE("a gradual mask is final also when a run ends before its share of the steps") {
  const TokenizedSquad data = marked_squad(40);
  for (const int64_t max_steps : {1, 2, 5}) {
    TrainOptions options = options_of(small_recipe(6));
    options.recipe.mask_policy = MaskPolicy::kGradual;
    options.recipe.max_steps = max_steps;
    torch::jit::Module module = traced_model("bert_sdpa_tf4");
    const auto pruned = encoder_weights(module);
    CATCH_CHECK(train(module, pruned, data, options).steps == max_steps);
    CATCH_CHECK(broken_groups(module, pruned) == 0);
  }
}

CATCH_TEST_CASE("a dense model is trained without a zero more") {
  const Trained result = trained(options_of(small_recipe(5)), marked_squad(40), false);
  CATCH_CHECK(result.run.points.back().loss < result.run.points.front().loss);
  CATCH_CHECK(result.run.epochs.back().sparsity == 0);
  CATCH_CHECK(broken_groups(result.module, encoder_weights(result.module)) > 0);
}

CATCH_TEST_CASE("the same seed gives the same bits, another one others") {
  const TokenizedSquad data = marked_squad(30);
  TrainOptions options = options_of(small_recipe(2));
  options.recipe.dropout = 0.1;
  const Trained one = trained(options, data, true);
  const Trained two = trained(options, data, true);
  CATCH_CHECK(at::equal(flat_parameters(one.module), flat_parameters(two.module)));
  options.recipe.seed = 1;
  const Trained other = trained(options, data, true);
  CATCH_CHECK_FALSE(at::equal(flat_parameters(one.module), flat_parameters(other.module)));
}

CATCH_TEST_CASE("two batches of 4 accumulated train like one of 8") {
  const TokenizedSquad data = marked_squad(29);  // the last step's batches hold 4 and 1, or 5
  TrainOptions options = options_of(small_recipe(2));
  options.recipe.batch_size = 8;
  const Trained whole = trained(options, data, true);
  options.recipe.batch_size = 4;
  options.recipe.accumulate = 2;
  const Trained parts = trained(options, data, true);
  CATCH_REQUIRE(whole.run.steps == 8);
  CATCH_REQUIRE(parts.run.steps == 8);
  for (size_t i = 0; i < whole.run.points.size(); ++i) {
    CATCH_CHECK(parts.run.points[i].loss == Approx(whole.run.points[i].loss).epsilon(1e-6));
    CATCH_CHECK(parts.run.points[i].gradient_norm == Approx(whole.run.points[i].gradient_norm).epsilon(1e-5));
  }
  CATCH_CHECK(largest_difference(parts.module, whole.module) < 1e-5);
}

CATCH_TEST_CASE("a model that is no BERT is trained through the interpreter") {
  const TokenizedSquad data = read_squad(small_squad_file());
  torch::jit::Module module = token_module();
  module.attr("word_embeddings").toModule().attr("weight").toTensor().detach().mul_(0.01);
  TrainOptions options = options_of(small_recipe(10));
  options.recipe.learning_rate = 0.05;
  const TrainingRun run = train(module, {}, data, options);
  CATCH_CHECK_THAT(run.engine, Catch::StartsWith("interpreter (no BERT encoder was recognised: "));
  CATCH_CHECK(run.points.back().loss < 0.9 * run.points.front().loss);
}

CATCH_TEST_CASE("weights of a half-precision model are trained in fp32 and come back in their dtype") {
  const TokenizedSquad data = marked_squad(20);
  const Trained full = trained(options_of(small_recipe(2)), data, true);
  torch::jit::Module module = traced_model("bert_sdpa_tf4", at::kBFloat16);
  const auto pruned = encoder_weights(module);
  train(module, pruned, data, options_of(small_recipe(2)));
  for (const NamedTensor& each : forward_parameters(module))
    CATCH_CHECK(each.tensor.scalar_type() == at::kBFloat16);
  CATCH_CHECK(relative_difference(flat_parameters(module).to(at::kFloat), flat_parameters(full.module)) <
              0.05);
}

CATCH_TEST_CASE("the moving average of the weights is what a run ends with, and what is evaluated") {
  const TokenizedSquad data = marked_squad(20);
  TrainOptions options = options_of(small_recipe(2));
  const Trained last = trained(options, data, true);
  options.recipe.ema = 0.9;
  at::Tensor evaluated;
  int calls = 0;
  options.evaluate = [&](const torch::jit::Module& module) {
    ++calls;
    evaluated = flat_parameters(module);
    return MeanScore{8, 10, 12.5};
  };
  const Trained mean = trained(options, data, true);
  CATCH_CHECK(calls == 2);
  CATCH_CHECK(mean.run.epochs[1].score->f1 == 12.5);
  CATCH_CHECK(at::equal(evaluated, flat_parameters(mean.module)));
  const double difference = relative_difference(flat_parameters(mean.module), flat_parameters(last.module));
  CATCH_CHECK(difference > 1e-4);
  CATCH_CHECK(difference < 0.2);
  CATCH_CHECK(broken_groups(mean.module, encoder_weights(mean.module)) == 0);
  for (size_t i = 0; i < last.run.points.size(); ++i)
    CATCH_CHECK(mean.run.points[i].loss == last.run.points[i].loss);
}

CATCH_TEST_CASE("a forward that fails is the model's error, with its text") {
  torch::jit::Module module = token_module("input_ids.view(3, 7)");
  CATCH_CHECK_THAT(
      error_of([&] { train(module, {}, read_squad(small_squad_file()), options_of(small_recipe(1))); },
               ExitStatus::kModel),
      Catch::StartsWith("[train] forward failed: ") && Catch::Contains("is invalid for input of size"));
}

CATCH_TEST_CASE("data that nothing can be learned from, or that the model cannot read, is refused") {
  SquadFile file = marked_squad_file(8);
  file.remove("start");
  file.remove("end");
  CATCH_CHECK_THAT(
      error_of([&] { trained(options_of(small_recipe(1)), read_squad(file), true); }, ExitStatus::kData),
      Catch::Contains("no labels to learn from"));
  CATCH_CHECK_THAT(
      error_of([&] { trained(options_of(small_recipe(1)), marked_squad(200, 40), true); }, ExitStatus::kData),
      Catch::Contains("\"length\"") && Catch::Contains("32"));
  Recipe recipe = small_recipe(1);
  recipe.warmup = 2;
  CATCH_CHECK_THAT(error_of([&] { trained(options_of(recipe), marked_squad(8), true); }, ExitStatus::kUsage),
                   Catch::Contains("warmup"));
}

}  // namespace prune2to4
