// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "core/temporary_folder.h"
#include "prune2to4/error.h"
#include "prune2to4/module_parameters.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

// Sets an element of the head in a module that is being trained.
void poison(const torch::jit::Module& module) {
  const at::NoGradGuard no_gradients;
  for (const NamedTensor& each : forward_parameters(module)) {
    if (each.name.ends_with("qa_outputs.bias"))
      each.tensor.detach()[0] = std::numeric_limits<float>::quiet_NaN();
  }
}

struct Divergence {
  torch::jit::Module module = traced_model("bert_sdpa_tf4");
  TokenizedSquad data = marked_squad(24, 12);
  std::vector<PrunedWeight> pruned = encoder_weights(module);
  TrainOptions options;
  std::vector<int64_t> steps;  // as they were done
  int evaluations = 0;

  Divergence() {
    options.name = "sparse";
    options.recipe = small_recipe(4);  // of 6 steps
    options.recipe.schedule = RateSchedule::kConstant;
    options.max_nan_steps = 3;
    options.on_step = [this](int64_t done) { steps.push_back(done); };
  }

  // Damages the model at the end of its second epoch, once.
  void poison_once() {
    options.evaluate = [this](const torch::jit::Module& trained) {
      if (++evaluations == 2) poison(trained);
      return MeanScore{};
    };
  }

  std::string error() {
    try {
      train(module, pruned, data, options);
      return "trained";
    } catch (const Error& found) {
      CATCH_CHECK(found.status() == ExitStatus::kDiverged);
      return found.what();
    }
  }
};

}  // namespace

CATCH_TEST_CASE("a loss that is not finite goes back to the checkpoint once, with half of the rate") {
  const TemporaryFolder folder;
  Divergence all;
  all.poison_once();
  all.options.checkpoint.file = folder / "checkpoint.safetensors";
  const TrainingRun run = train(all.module, all.pruned, all.data, all.options);
  CATCH_CHECK(run.restarts == 1);
  CATCH_CHECK(run.skipped_steps == 3);
  CATCH_CHECK(run.steps == 24);
  // Two of the three steps were done to their end, and all again.
  CATCH_CHECK(all.steps.size() == 24 + 2);
  CATCH_REQUIRE(run.points.size() == 24);
  for (const TrainingPoint& point : run.points) {
    CATCH_CHECK(std::isfinite(point.loss));
    CATCH_CHECK(point.learning_rate == Approx(point.step <= 12 ? 2e-3 : 1e-3));
  }
  CATCH_REQUIRE(run.epochs.size() == 4);
  for (size_t i = 0; i < run.epochs.size(); ++i) {
    CATCH_CHECK(run.epochs[i].epoch == static_cast<int64_t>(i) + 1);
    double mean = 0;
    for (size_t step = i * 6; step < (i + 1) * 6; ++step) mean += run.points[step].loss / 6;
    CATCH_CHECK(run.epochs[i].loss == Approx(mean));
  }
  CATCH_CHECK(flat_parameters(all.module).isfinite().all().item<bool>());
  CATCH_CHECK(broken_groups(all.module, all.pruned) == 0);
}

CATCH_TEST_CASE("without a checkpoint training goes back to its start") {
  Divergence all;
  std::optional<torch::jit::Module> trained;
  all.options.evaluate = [&](const torch::jit::Module& module) {
    trained = module;
    return MeanScore{};
  };
  bool poisoned = false;
  all.options.on_step = [&](int64_t done) {
    if (done != 8 || std::exchange(poisoned, true)) return;  // in the middle of an epoch
    poison(*trained);
  };
  const TrainingRun run = train(all.module, all.pruned, all.data, all.options);
  CATCH_CHECK(run.restarts == 1);
  CATCH_CHECK(run.steps == 24);
  CATCH_REQUIRE(run.points.size() == 24);
  CATCH_REQUIRE(run.epochs.size() == 4);
  // As a run that had half of the rate from its start.
  Divergence half;
  half.options.recipe.learning_rate /= 2;
  const TrainingRun expected = train(half.module, half.pruned, half.data, half.options);
  for (size_t i = 0; i < run.points.size(); ++i) CATCH_CHECK(run.points[i].loss == expected.points[i].loss);
  for (size_t i = 0; i < run.epochs.size(); ++i) CATCH_CHECK(run.epochs[i].loss == expected.epochs[i].loss);
  CATCH_CHECK(at::equal(flat_parameters(all.module), flat_parameters(half.module)));
}

CATCH_TEST_CASE("a few steps without a finite loss are skipped and counted") {
  Divergence all;
  all.options.max_nan_steps = 100;
  all.poison_once();
  const TrainingRun run = train(all.module, all.pruned, all.data, all.options);
  CATCH_CHECK(run.restarts == 0);
  CATCH_CHECK(run.skipped_steps == 12);
  CATCH_CHECK(run.steps == 24);
  CATCH_CHECK(run.points.size() == 12);
  CATCH_CHECK(std::isnan(run.epochs.back().loss));
}

CATCH_TEST_CASE("a run that diverges again ends with the questions of its last step") {
  Divergence all;
  poison(all.module);
  const at::Tensor before = flat_parameters(all.module);
  const std::string message = all.error();
  CATCH_CHECK_THAT(message,
                   Catch::Contains("not finite in 3 steps in a row") && Catch::Contains("--learning-rate"));
  CATCH_CHECK_THAT(message, Catch::Matches("(.|\n)*: q[0-9]+, q[0-9]+, q[0-9]+, q[0-9]+"));
  CATCH_CHECK(all.steps == std::vector<int64_t>{1, 2, 1, 2});
  // What was given is as it was.
  CATCH_CHECK(at::equal(flat_parameters(all.module).nan_to_num(), before.nan_to_num()));
}

CATCH_TEST_CASE("a run never goes back to the checkpoint of an older run") {
  const TemporaryFolder folder;
  Divergence older;
  older.options.checkpoint.file = folder / "checkpoint.safetensors";
  older.options.recipe.max_steps = 5;
  train(older.module, older.pruned, older.data, older.options);

  Divergence all;
  all.options.checkpoint.file = folder / "checkpoint.safetensors";
  all.options.recipe.learning_rate = 1e38;
  all.options.recipe.batch_size = 2;
  all.error();
  CATCH_CHECK(std::count(all.steps.begin(), all.steps.end(), 1) == 2);
}

}  // namespace prune2to4
