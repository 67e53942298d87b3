// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "core/child_process.h"
#include "core/temporary_folder.h"
#include "dist/rank_processes.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

constexpr int64_t kSteps = 50;

// Everything that a checkpoint must keep: dropout, average, gradual masks by saliency, accumulation, a batch
// that is not full, and more than one epoch.
struct Demanding {
  torch::jit::Module module = traced_model("bert_sdpa_tf4");
  TokenizedSquad data = marked_squad(26, 12);
  std::vector<PrunedWeight> pruned = encoder_weights(module);

  TrainOptions options(const TemporaryFolder& folder) const {
    TrainOptions options;
    options.name = "sparse";
    options.recipe = small_recipe(12.5);
    options.recipe.accumulate = 2;
    options.recipe.warmup = 0.1;
    options.recipe.dropout = 0.1;
    options.recipe.ema = 0.9;
    options.recipe.mask_policy = MaskPolicy::kGradual;
    options.recipe.mask_score = MaskScore::kMomentum;
    options.recipe.mask_interval = 6;
    options.recipe.distill_weight = 0.5;
    options.checkpoint = {folder / "checkpoint.safetensors", 0, false, "the model", "the data"};
    options.teachers = {traced_model("bert_sdpa_tf4")};
    options.teacher_cache = folder / "teacher.safetensors";
    options.evaluate = [](const torch::jit::Module& trained) {
      return MeanScore{7, 12.5, flat_parameters(trained).abs().sum().item<double>()};
    };
    return options;
  }
};

// Weights and curves, to the bit.
std::string bits(const torch::jit::Module& module, const TrainingRun& run) {
  const at::Tensor weights = flat_parameters(module);
  std::ostringstream text;
  text << std::hexfloat;
  text.write(static_cast<const char*>(weights.const_data_ptr()),
             static_cast<std::streamsize>(weights.nbytes()));
  for (const TrainingPoint& point : run.points) {
    text << point.step << ' ' << point.epoch << ' ' << point.loss << ' ' << point.label_loss << ' '
         << point.distill_loss << ' ' << point.learning_rate << ' ' << point.gradient_norm << '\n';
  }
  for (const TrainingEpoch& epoch : run.epochs) {
    text << epoch.epoch << ' ' << epoch.step << ' ' << epoch.loss << ' ' << epoch.sparsity << ' '
         << epoch.score->questions << ' ' << epoch.score->exact_match << ' ' << epoch.score->f1 << '\n';
  }
  text << run.steps;
  return text.str();
}

std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ChildResult stop_after(Demanding& all, TrainOptions options, int64_t step) {
  return run_in_child([&] {
    install_signal_handlers();
    options.on_step = [&](int64_t done) {
      if (done == step) ::raise(SIGTERM);
    };
    if (step == 0) ::raise(SIGTERM);
    try {
      train(all.module, all.pruned, all.data, options);
    } catch (const Interrupted& interrupted) {
      ::_exit(interrupted.exit_status());
    }
  });
}

std::string refusal(const std::function<void()>& work, ExitStatus status) {
  try {
    work();
    return "accepted";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == status);
    return error.what();
  }
}

}  // namespace

// In a process of its own: autograd refuses to work in a process forked from one where it has worked.
CATCH_TEST_CASE("rank: stops and goes on at every step", "[.rank]") {
  at::set_num_threads(1);
  Demanding all;
  const TemporaryFolder folder;
  TrainOptions options = all.options(folder);
  const auto finish = [&](int64_t resumed_at, const std::string& result) {
    return run_in_child([&] {
      const TrainingRun run = train(all.module, all.pruned, all.data, options);
      if (run.resumed_at != resumed_at)
        throw std::runtime_error("resumed at " + std::to_string(run.resumed_at));
      write_bytes(folder / result, bits(all.module, run));
    });
  };
  const ChildResult whole = finish(0, "whole");
  CATCH_INFO(whole.text);
  CATCH_REQUIRE(whole.status == 0);
  const std::string expected = read_bytes(folder / "whole");
  CATCH_REQUIRE(expected.size() > 1000);

  for (int64_t step = 0; step < kSteps; ++step) {
    CATCH_INFO("interrupted after step " << step);
    remove_checkpoint(options.checkpoint.file);
    options.checkpoint.resume = false;
    const ChildResult stopped = stop_after(all, options, step);
    CATCH_INFO(stopped.text);
    CATCH_REQUIRE(stopped.status == 128 + SIGTERM);
    options.checkpoint.resume = true;
    const ChildResult resumed = finish(step + 1, "resumed");
    CATCH_INFO(resumed.text);
    CATCH_REQUIRE(resumed.status == 0);
    CATCH_REQUIRE((read_bytes(folder / "resumed") == expected));
  }
}

CATCH_TEST_CASE("a run that is interrupted at any of its steps and resumed ends in the same bits") {
  const auto results = run_ranks(1, "rank: stops and goes on at every step");
  CATCH_INFO(results[0].text);
  CATCH_CHECK(results[0].status == 0);
}

CATCH_TEST_CASE("a run that ended early goes on when it is allowed more steps") {
  const TemporaryFolder folder;
  Demanding one;
  TrainOptions options = one.options(folder);
  options.recipe.mask_end = 0.1;
  options.recipe.max_steps = 20;
  const TrainingRun whole = train(one.module, one.pruned, one.data, options);
  CATCH_CHECK(whole.steps == 20);

  Demanding two;
  options.recipe.max_steps = 9;
  train(two.module, two.pruned, two.data, options);
  options.recipe.max_steps = 20;
  options.checkpoint.resume = true;
  const TrainingRun rest = train(two.module, two.pruned, two.data, options);
  CATCH_CHECK(rest.resumed_at == 9);
  CATCH_CHECK(at::equal(flat_parameters(two.module), flat_parameters(one.module)));
}

CATCH_TEST_CASE("a finished run that is resumed has its result at once") {
  const TemporaryFolder folder;
  Demanding one;
  TrainOptions options = one.options(folder);
  options.recipe.max_steps = 5;
  const TrainingRun whole = train(one.module, one.pruned, one.data, options);
  Demanding two;
  options.checkpoint.resume = true;
  const TrainingRun again = train(two.module, two.pruned, two.data, options);
  CATCH_CHECK(again.resumed_at == 5);
  CATCH_CHECK((bits(two.module, again) == bits(one.module, whole)));
}

CATCH_TEST_CASE("a run without a checkpoint begins anew, also with --resume") {
  const TemporaryFolder folder;
  Demanding one;
  TrainOptions options = one.options(folder);
  options.recipe.max_steps = 3;
  options.checkpoint.resume = true;
  CATCH_CHECK(train(one.module, one.pruned, one.data, options).resumed_at == 0);
}

CATCH_TEST_CASE(
    "when the newest checkpoint is damaged, a run goes on from the one before it to the same bits") {
  const TemporaryFolder folder;
  Demanding one;
  TrainOptions options = one.options(folder);
  options.checkpoint.every = 1;
  options.recipe.max_steps = 6;
  const TrainingRun whole = train(one.module, one.pruned, one.data, options);

  std::string bytes = read_bytes(options.checkpoint.file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_bytes(options.checkpoint.file, bytes);
  Demanding two;
  options.checkpoint.resume = true;
  const TrainingRun rest = train(two.module, two.pruned, two.data, options);
  CATCH_CHECK(rest.resumed_at == 5);
  CATCH_CHECK((bits(two.module, rest) == bits(one.module, whole)));
}

CATCH_TEST_CASE(
    "a checkpoint of another recipe, data, model, teacher or layer choice is refused with what differs") {
  const TemporaryFolder folder;
  Demanding all;
  TrainOptions options = all.options(folder);
  options.teacher_sha256 = "the teacher";
  options.recipe.max_steps = 2;
  train(all.module, all.pruned, all.data, options);
  options.checkpoint.resume = true;

  struct Change {
    std::string text;
    std::function<void(TrainOptions&, std::vector<PrunedWeight>&)> make;
  };
  using Pruned = std::vector<PrunedWeight>;
  const std::vector<Change> changes{
      {"learning_rate was 0.002 and is 0.003",
       [](TrainOptions& o, Pruned&) { o.recipe.learning_rate = 0.003; }},
      {"seed was 0 and is 7", [](TrainOptions& o, Pruned&) { o.recipe.seed = 7; }},
      {"mask_score was momentum and is norm",
       [](TrainOptions& o, Pruned&) { o.recipe.mask_score = MaskScore::kWeightNorm; }},
      {"precision used was fp32 and is tf32",
       [](TrainOptions& o, Pruned&) { o.recipe.precision = Precision::kTf32; }},
      {"data was the data and is other data",
       [](TrainOptions& o, Pruned&) { o.checkpoint.data_sha256 = "other data"; }},
      {"model was the model and is another",
       [](TrainOptions& o, Pruned&) { o.checkpoint.model_sha256 = "another"; }},
      {"teacher was the teacher and is a sage",
       [](TrainOptions& o, Pruned&) { o.teacher_sha256 = "a sage"; }},
      {"run was sparse and is dense", [](TrainOptions& o, Pruned&) { o.name = "dense"; }},
      {"layer config was", [](TrainOptions&, Pruned& pruned) { pruned.pop_back(); }},
      {"layer config was", [](TrainOptions&, Pruned& pruned) { pruned.front().mask.norm = 1; }}};
  for (const Change& change : changes) {
    TrainOptions changed = options;
    std::vector<PrunedWeight> pruned = all.pruned;
    change.make(changed, pruned);
    const std::string message =
        refusal([&] { train(all.module, pruned, all.data, changed); }, ExitStatus::kUsage);
    CATCH_CHECK_THAT(message, Catch::Contains(change.text) && Catch::Contains("is of another run"));
  }
  CATCH_CHECK(refusal([&] { train(all.module, all.pruned, all.data, options); }, ExitStatus::kUsage) ==
              "accepted");
}

}  // namespace prune2to4
