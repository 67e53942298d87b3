// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "core/temporary_folder.h"
#include "dist/rank_processes.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/module_parameters.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

void require_all_passed(const std::vector<RankResult>& results) {
  for (const RankResult& result : results) {
    CATCH_INFO(result.text);
    CATCH_REQUIRE(result.status == 0);
  }
}

// Two epochs, of batches of 8.
TrainOptions options_with(Comm* comm) {
  TrainOptions options;
  options.name = "sparse";
  options.recipe = small_recipe(2);
  options.recipe.batch_size = 8;
  options.recipe.mask_policy = MaskPolicy::kGradual;
  options.recipe.mask_score = MaskScore::kMomentum;
  options.recipe.mask_interval = 2;
  options.comm = comm;
  return options;
}

// What every rank must have alike.
void check_same_everywhere(Comm& comm, const torch::jit::Module& module, const TrainingRun& run) {
  const at::Tensor weights = flat_parameters(module);
  std::string text(static_cast<const char*>(weights.const_data_ptr()), weights.nbytes());
  for (const TrainingPoint& point : run.points) text += std::to_string(point.loss) + " ";
  for (const std::string& other : comm.all_gather(text)) CATCH_CHECK((other == text));
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::filesystem::path shared_folder() { return std::getenv("FOLDER"); }

struct Checkpointed {
  torch::jit::Module module = traced_model("bert_sdpa_tf4");
  std::vector<PrunedWeight> pruned = encoder_weights(module);
  TokenizedSquad data = marked_squad(29);
  std::unique_ptr<Comm> comm = make_comm(discover_launch(), at::kCPU);
  TrainOptions options = options_with(comm.get());

  Checkpointed() {
    options.recipe.dropout = 0.1;
    options.checkpoint.file = shared_folder() / "checkpoint.safetensors";
  }
};

}  // namespace

CATCH_TEST_CASE("rank: trains like one process", "[.rank]") {
  const auto comm = make_comm(discover_launch(), at::kCPU);
  for (const bool encoder : {true, false}) {
    for (const int64_t windows : {32, 29, 25}) {  // the last batch has 8, 5 or 1
      for (const int64_t accumulate : {1, 2}) {
        CATCH_INFO((encoder ? "encoder, " : "interpreter, ")
                   << windows << " windows, " << accumulate << " passes");
        const TokenizedSquad data = marked_squad(windows);
        const auto run = [&](torch::jit::Module& module, Comm* shared) {
          TrainOptions options = options_with(shared);
          options.recipe.accumulate = accumulate;
          options.recipe.batch_size /= accumulate;
          const auto pruned = encoder_weights(module);
          const TrainingRun result = train(module, pruned, data, options);
          CATCH_CHECK(broken_groups(module, pruned) == 0);
          return result;
        };
        torch::jit::Module together = encoder ? traced_model("bert_sdpa_tf4") : unlike_encoders();
        torch::jit::Module alone = together.clone();
        const TrainingRun shared = run(together, comm.get());
        const TrainingRun expected = run(alone, nullptr);
        CATCH_CHECK(shared.engine.starts_with("encoder") == encoder);
        CATCH_CHECK(shared.ranks == comm->size());
        CATCH_REQUIRE(shared.points.size() == expected.points.size());
        for (size_t i = 0; i < shared.points.size(); ++i) {
          CATCH_CHECK(shared.points[i].loss == Approx(expected.points[i].loss).epsilon(1e-5));
          CATCH_CHECK(shared.points[i].gradient_norm ==
                      Approx(expected.points[i].gradient_norm).epsilon(1e-4));
        }
        CATCH_CHECK(largest_difference(together, alone) < 1e-4);
        check_same_everywhere(*comm, together, shared);
      }
    }
  }
}

CATCH_TEST_CASE("rank: distils like one process", "[.rank]") {
  const auto comm = make_comm(discover_launch(), at::kCPU);
  const TokenizedSquad data = marked_squad(29);
  const auto run = [&](torch::jit::Module& module, Comm* shared) {
    TrainOptions options = options_with(shared);
    options.recipe.distill_weight = 0.7;
    options.recipe.hidden_weight = 0.5;
    options.teachers = {traced_model("bert_sdpa_tf4"), traced_model("tiny_bert")};
    return train(module, encoder_weights(module), data, options);
  };
  torch::jit::Module together = traced_model("bert_sdpa_tf4");
  torch::jit::Module alone = traced_model("bert_sdpa_tf4");
  const TrainingRun shared = run(together, comm.get());
  const TrainingRun expected = run(alone, nullptr);
  for (size_t i = 0; i < shared.points.size(); ++i) {
    CATCH_CHECK(shared.points[i].loss == Approx(expected.points[i].loss).epsilon(1e-5));
    CATCH_CHECK(shared.points[i].distill_loss == Approx(expected.points[i].distill_loss).epsilon(1e-4));
  }
  check_same_everywhere(*comm, together, shared);
}

CATCH_TEST_CASE("rank: the whole run", "[.rank]") {
  Checkpointed all;
  const TrainingRun run = train(all.module, all.pruned, all.data, all.options);
  check_same_everywhere(*all.comm, all.module, run);
  if (all.comm->rank() > 0) return;
  const at::Tensor weights = flat_parameters(all.module);
  write_bytes(shared_folder() / "whole",
              {static_cast<const char*>(weights.const_data_ptr()), weights.nbytes()});
}

CATCH_TEST_CASE("rank: the last one is interrupted after step 2", "[.rank]") {
  Checkpointed all;
  remove_checkpoint(all.options.checkpoint.file);
  all.comm->barrier();
  install_signal_handlers();
  int64_t steps = 0;
  all.options.on_step = [&](int64_t done) {
    steps = done;
    if (done == 2 && all.comm->rank() == all.comm->size() - 1) ::raise(SIGTERM);
  };
  CATCH_CHECK_THROWS_AS(train(all.module, all.pruned, all.data, all.options), Interrupted);
  CATCH_CHECK(steps == 2);
}

CATCH_TEST_CASE("rank: goes on", "[.rank]") {
  Checkpointed all;
  all.options.checkpoint.resume = true;
  const TrainingRun run = train(all.module, all.pruned, all.data, all.options);
  CATCH_CHECK(run.resumed_at == 3);
  check_same_everywhere(*all.comm, all.module, run);
  const at::Tensor weights = flat_parameters(all.module);
  const TemporaryFolder copy;
  write_bytes(copy / "weights", {static_cast<const char*>(weights.const_data_ptr()), weights.nbytes()});
  CATCH_CHECK((read_all(copy / "weights") == read_all(shared_folder() / "whole")));
}

CATCH_TEST_CASE("rank: has another recipe", "[.rank]") {
  const auto comm = make_comm(discover_launch(), at::kCPU);
  torch::jit::Module module = traced_model("bert_sdpa_tf4");
  TrainOptions options = options_with(comm.get());
  if (comm->rank() == 1) options.recipe.learning_rate = 0.5;
  CATCH_CHECK_THROWS_WITH(train(module, {}, marked_squad(16), options),
                          Catch::Contains("rank 1 has another"));
}

CATCH_TEST_CASE("rank: diverges", "[.rank]") {
  const auto comm = make_comm(discover_launch(), at::kCPU);
  torch::jit::Module module = traced_model("bert_sdpa_tf4");
  TrainOptions options = options_with(comm.get());
  int evaluations = 0;
  options.max_nan_steps = 2;
  options.evaluate = [&](const torch::jit::Module& trained) {
    const at::NoGradGuard no_gradients;
    // On one rank only: it reaches the others with the sums.
    if (++evaluations == 1 && comm->rank() == 1)
      forward_parameters(trained)[0].tensor.detach().fill_(std::nan(""));
    return MeanScore{};
  };
  const TrainingRun run = train(module, {}, marked_squad(29), options);
  CATCH_CHECK(run.restarts == 1);
  CATCH_CHECK(run.skipped_steps == 2);
  check_same_everywhere(*comm, module, run);
}

CATCH_TEST_CASE(
    "ranks train like one process with the same batches, also when the windows do not divide evenly") {
  for (const int size : {2, 3}) require_all_passed(run_ranks(size, "rank: trains like one process"));
}

CATCH_TEST_CASE("ranks distil like one process, each with its share of the teachers' work") {
  require_all_passed(run_ranks(3, "rank: distils like one process"));
}

CATCH_TEST_CASE("a signal to one rank stops all at the same step, and they go on to the same bits") {
  for (const int size : {2, 3}) {
    const TemporaryFolder folder;
    const std::map<std::string, std::string> environment{{"FOLDER", folder.path().string()}};
    require_all_passed(run_ranks(size, "rank: the whole run", environment));
    require_all_passed(run_ranks(size, "rank: the last one is interrupted after step 2", environment));
    require_all_passed(run_ranks(size, "rank: goes on", environment));
  }
}

CATCH_TEST_CASE("ranks that were not started alike are refused") {
  require_all_passed(run_ranks(2, "rank: has another recipe"));
}

CATCH_TEST_CASE("when one rank's loss is not finite all go back together") {
  require_all_passed(run_ranks(2, "rank: diverges"));
}

}  // namespace prune2to4
