// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/temporary_folder.h"
#include "prune2to4/divergence.h"
#include "prune2to4/error.h"
#include "prune2to4/module_parameters.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

at::Tensor head_bias(const torch::jit::Module& module) {
  for (const NamedTensor& each : forward_parameters(module)) {
    if (each.name.ends_with("qa_outputs.bias")) return each.tensor.detach();
  }
  throw std::logic_error("no qa_outputs.bias");
}

// Sets an element of the head in a module that is being trained.
void poison(const torch::jit::Module& module) {
  const at::NoGradGuard no_gradients;
  head_bias(module)[0] = std::numeric_limits<float>::quiet_NaN();
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
  std::optional<torch::jit::Module> trained;
  at::Tensor healthy;
  all.options.evaluate = [&](const torch::jit::Module& module) {
    trained = module;
    return MeanScore{};
  };
  all.options.on_step = [&](int64_t done) {
    if (done == 8) {
      healthy = head_bias(*trained).clone();
      poison(*trained);
    }
    if (done == 13) head_bias(*trained).copy_(healthy);
  };
  const TrainingRun run = train(all.module, all.pruned, all.data, all.options);
  CATCH_CHECK(run.restarts == 0);
  CATCH_CHECK(run.skipped_steps == 5);
  CATCH_CHECK(run.steps == 24);
  CATCH_CHECK(run.points.size() == 19);
}

CATCH_TEST_CASE("a run whose last steps were skipped is no result, and leaves what was given") {
  Divergence all;
  all.options.max_nan_steps = 100;
  all.options.evaluate = [&](const torch::jit::Module& module) {
    if (++all.evaluations == 3) poison(module);  // 6 of 24 steps are left
    return MeanScore{};
  };
  const at::Tensor before = flat_parameters(all.module);
  CATCH_CHECK_THAT(all.error(),
                   Catch::Contains("training of 'sparse' diverged: the last 6 of its 24 steps") &&
                       Catch::Contains("lower --learning-rate"));
  CATCH_CHECK(at::equal(flat_parameters(all.module), before));
}

CATCH_TEST_CASE("a run resumed among its skipped steps is no result, and its end is never saved") {
  const TemporaryFolder folder;
  Divergence first;
  first.options.max_nan_steps = 100;
  first.options.checkpoint.file = folder / "checkpoint.safetensors";
  first.options.checkpoint.every = 23;
  first.options.evaluate = [&](const torch::jit::Module& module) {
    if (++first.evaluations == 3) poison(module);
    return MeanScore{};
  };
  first.error();
  Divergence second;
  second.options.max_nan_steps = 100;
  second.options.checkpoint = first.options.checkpoint;
  second.options.checkpoint.resume = true;
  CATCH_CHECK_THAT(second.error(), Catch::Contains("the last 6 of its 24 steps"));
  CATCH_CHECK(second.steps.empty());
}

CATCH_TEST_CASE("a short run that explodes is no result") {
  Divergence all;
  all.options.recipe.learning_rate = 1e30;
  all.options.recipe.max_steps = 5;
  all.options.max_nan_steps = 10;
  CATCH_CHECK_THAT(all.error(), Catch::Contains("of its 5 steps had no finite loss or gradient"));
  CATCH_CHECK(all.steps.size() == 4);
}

CATCH_TEST_CASE("weights or logits that only the last step made useless are no result") {
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), 1e38F}) {
    Divergence all;
    std::optional<torch::jit::Module> trained;
    all.options.evaluate = [&](const torch::jit::Module& module) {
      trained = module;
      return MeanScore{};
    };
    all.options.on_step = [&](int64_t done) {
      if (done != 24) return;
      const at::NoGradGuard no_gradients;
      for (const NamedTensor& each : forward_parameters(*trained)) {
        if (each.name.ends_with("qa_outputs.weight")) each.tensor.detach().fill_(value);
      }
    };
    CATCH_CHECK_THAT(all.error(), Catch::Contains(std::isnan(value) ? "weights that are not finite"
                                                                    : "logits of its first windows"));
  }
}

CATCH_TEST_CASE("which steps make no result") {
  const auto steps = [](const std::string& text) {
    StepTally tally;
    for (const char c : text) tally.add(c != '+', c == 'n' ? std::nan("") : 1);
    return why_diverged(tally);
  };
  CATCH_CHECK(steps("").empty());
  CATCH_CHECK(steps("+").empty());
  CATCH_CHECK(steps("++-++").empty());
  CATCH_CHECK(steps("----++++++").empty());  // an fp16 scale settles
  CATCH_CHECK(steps("++++--").empty());      // and is halved at the end
  CATCH_CHECK(steps("-") == "1 of its 1 step had no finite loss or gradient and were skipped");
  CATCH_CHECK(steps("+----") == "4 of its 5 steps had no finite loss or gradient and were skipped");
  CATCH_CHECK(steps("++++++---") ==
              "the last 3 of its 9 steps had no finite loss or gradient and were skipped");
  CATCH_CHECK(steps("+++++n") == "the loss of its last step was not finite");
}

CATCH_TEST_CASE("a run that ends far worse than it began is warned of") {
  const auto warning = [](std::vector<double> label, std::vector<double> distill) {
    TrainingRun run;
    run.name = "sparse";
    for (size_t i = 0; i < label.size(); ++i) {
      TrainingPoint point;
      point.label_loss = label[i];
      point.distill_loss = distill[i];
      run.points.push_back(point);
    }
    return worse_loss_warning(run);
  };
  CATCH_CHECK(warning({2, 1, 0.5}, {1, 1, 1}).empty());
  CATCH_CHECK(warning({0.4, 0.5, 0.9}, {0, 0, 0}).empty());
  CATCH_CHECK_THAT(warning({2, 5, 6}, {1, 1, 1}), Catch::Contains("on the labels began at 2 and ended at 6"));
  CATCH_CHECK(warning({0, 0, 0}, {0, 0.2, 0.3}).empty());  // a model that teaches itself
  CATCH_CHECK_THAT(warning({0, 0, 0}, {0.1, 2, 3}), Catch::Contains("against the teacher began at 0.1"));
  CATCH_CHECK(warning({2}, {2}).empty());
  CATCH_CHECK(worse_f1_warning("masked", 76.4, 76.4, 0).empty());
  CATCH_CHECK(worse_f1_warning("as given", 76.4, 75.5, 1).empty());
  CATCH_CHECK_THAT(worse_f1_warning("masked", 76.4, 2.1, 0), Catch::Contains("from 76.40 (masked) to 2.10"));
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
