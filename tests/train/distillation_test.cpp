// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "core/temporary_folder.h"
#include "prune2to4/error.h"
#include "prune2to4/runner.h"
#include "train/teacher.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

TrainOptions options_of(double epochs, double distill_weight) {
  TrainOptions options;
  options.name = "sparse";
  options.recipe = small_recipe(epochs);
  options.recipe.distill_weight = distill_weight;
  options.teachers = {traced_model("tiny_bert")};
  options.teacher_name = "the dense model itself";
  options.teacher_sha256 = "the teacher";
  options.checkpoint.data_sha256 = "the data";
  return options;
}

TrainingRun trained(const TrainOptions& options, const TokenizedSquad& data) {
  torch::jit::Module module = traced_model("tiny_bert");
  return train(module, encoder_weights(module), data, options);
}

// A batch with what a teacher says of it.
PackedBatch filled(const Teacher& teacher, const TokenizedSquad& data, const std::vector<int64_t>& windows) {
  PackedBatch batch = pack_batch(data, windows, {static_cast<int64_t>(windows.size()), 0, 1, 1});
  teacher.fill(windows, batch);
  return batch;
}

// Log probabilities at temperature T of one model.
at::Tensor log_probabilities(const std::string& name, const PackedBatch& batch, double temperature) {
  const at::NoGradGuard no_gradients;
  torch::jit::Module module = traced_model(name);
  const auto padded = [&](const at::Tensor& packed) {
    return at::zeros({batch.sequences * batch.width}, at::kLong)
        .scatter(0, batch.places, packed)
        .view(batch.real.sizes());
  };
  const auto output = module.forward({padded(batch.ids), batch.real.to(at::kLong), padded(batch.segments)});
  const auto logits = find_logits(output, batch.real.sizes());
  return (logits->start / temperature).masked_fill(batch.real.logical_not(), kNoLogit).log_softmax(1);
}

}  // namespace

CATCH_TEST_CASE("a masked model that learns from the dense one comes nearer to it") {
  const TrainingRun run = trained(options_of(10, 1), marked_squad(40));
  CATCH_CHECK(run.points.front().distill_loss > 0.001);
  CATCH_CHECK(run.points.back().distill_loss < 0.3 * run.points.front().distill_loss);
  CATCH_CHECK(run.points.back().loss == run.points.back().distill_loss);
  CATCH_CHECK_THAT(run.teacher, Catch::StartsWith("the dense model itself (logits computed once, "));
}

CATCH_TEST_CASE("the loss is the recipe's mixture of labels and teacher") {
  const TrainingRun run = trained(options_of(1, 0.3), marked_squad(40));
  for (const TrainingPoint& point : run.points) {
    CATCH_CHECK(point.loss == Approx(0.7 * point.label_loss + 0.3 * point.distill_loss).epsilon(1e-5));
  }
}

CATCH_TEST_CASE("data without labels is learned from a teacher alone, and from nothing else") {
  SquadFile file = marked_squad_file(40);
  std::erase_if(file.tensors,
                [](const RawTensor& each) { return each.name == "start" || each.name == "end"; });
  const TokenizedSquad data = read_squad(file);
  CATCH_REQUIRE(!data.labelled());
  const TrainingRun run = trained(options_of(10, 1), data);
  CATCH_CHECK(run.points.front().distill_loss > 0.001);
  CATCH_CHECK(run.points.back().distill_loss < 0.3 * run.points.front().distill_loss);
  CATCH_CHECK(run.points.back().loss == run.points.back().distill_loss);
  CATCH_CHECK(run.points.back().label_loss == 0);
  // The same bits as with labels that have no weight.
  CATCH_CHECK(run.points.back().distill_loss ==
              trained(options_of(10, 1), marked_squad(40)).points.back().distill_loss);
  CATCH_CHECK_THROWS_WITH(trained(options_of(1, 0.9), data), Catch::Contains("no labels"));
  TrainOptions untaught = options_of(1, 1);
  untaught.teachers.clear();
  CATCH_CHECK_THROWS_WITH(trained(untaught, data), Catch::Contains("--teacher"));
}

CATCH_TEST_CASE("without a weight a teacher is left alone") {
  const TrainingRun run = trained(options_of(1, 0), marked_squad(20));
  CATCH_CHECK(run.teacher.empty());
  CATCH_CHECK(run.points.front().distill_loss == 0);
}

CATCH_TEST_CASE(
    "a teacher's logits give its probabilities at the recipe's temperature, several teachers' their mean") {
  const TokenizedSquad data = marked_squad(20);
  for (const double temperature : {1.0, 3.0}) {
    TrainOptions options = options_of(1, 1);
    options.recipe.temperature = temperature;
    const std::vector<int64_t> windows{5, 0, 13};
    const auto found = [&] {
      const PackedBatch batch = filled(Teacher(data, options), data, windows);
      CATCH_CHECK(
          batch.teacher_start.masked_select(batch.real.logical_not()).eq(kNoLogit).all().item<bool>());
      return (batch.teacher_start / temperature).softmax(1);
    };
    const PackedBatch batch = pack_batch(data, windows, {3, 0, 1, 1});
    const at::Tensor first = log_probabilities("tiny_bert", batch, temperature).exp();
    CATCH_CHECK(at::allclose(found(), first, 1e-4, 1e-6));
    const at::Tensor second = log_probabilities("bert_eager_tf4", batch, temperature).exp();
    options.teachers.push_back(traced_model("bert_eager_tf4"));
    CATCH_CHECK(at::allclose(found(), (first + second) / 2, 1e-4, 1e-6));
  }
}

CATCH_TEST_CASE(
    "a teacher's cache is written, read again, and made anew for another teacher, data or temperature") {
  const TokenizedSquad data = marked_squad(20);
  const TemporaryFolder folder;
  TrainOptions options = options_of(1, 1);
  options.teacher_cache = folder / "teacher.safetensors";
  const auto description = [&] { return Teacher(data, options).description(); };
  const auto is_computed = Catch::Contains("computed once");
  const auto is_cached = Catch::Contains("from the cache");

  const Teacher computed(data, options);
  CATCH_CHECK_THAT(computed.description(), is_computed);
  const Teacher cached(data, options);
  CATCH_CHECK_THAT(cached.description(), is_cached);
  const std::vector<int64_t> windows{3, 19};
  CATCH_CHECK(
      at::equal(filled(cached, data, windows).teacher_start, filled(computed, data, windows).teacher_start));
  CATCH_CHECK(
      at::equal(filled(cached, data, windows).teacher_end, filled(computed, data, windows).teacher_end));

  options.recipe.temperature = 5;
  CATCH_CHECK_THAT(description(), is_computed);
  CATCH_CHECK_THAT(description(), is_cached);
  options.teacher_sha256 = "another";
  CATCH_CHECK_THAT(description(), is_computed);
  CATCH_CHECK_THAT(description(), is_cached);
  options.checkpoint.data_sha256 = "another";
  CATCH_CHECK_THAT(description(), is_computed);
  CATCH_CHECK_THAT(description(), is_cached);
}

CATCH_TEST_CASE("a run from the cache ends in the bits of one that computes") {
  const TokenizedSquad data = marked_squad(20);
  const TemporaryFolder folder;
  TrainOptions options = options_of(2, 0.5);
  options.teacher_cache = folder / "teacher.safetensors";
  const TrainingRun computed = trained(options, data);
  const TrainingRun cached = trained(options, data);
  CATCH_CHECK_THAT(cached.teacher, Catch::Contains("from the cache"));
  CATCH_REQUIRE(cached.points.size() == computed.points.size());
  for (size_t i = 0; i < cached.points.size(); ++i)
    CATCH_CHECK(cached.points[i].loss == computed.points[i].loss);
}

CATCH_TEST_CASE("hidden states are compared with the dense model's, and come nearer") {
  TrainOptions options = options_of(10, 0);
  options.recipe.hidden_weight = 100;
  const TrainingRun run = trained(options, marked_squad(40));
  const auto hidden = [](const TrainingPoint& point) { return point.loss - point.label_loss; };
  CATCH_CHECK(hidden(run.points.front()) > 0.1);
  CATCH_CHECK(hidden(run.points.back()) < 0.5 * hidden(run.points.front()));

  // A model that is not pruned has its own hidden states.
  torch::jit::Module dense = traced_model("tiny_bert");
  const TrainingRun same = train(dense, {}, marked_squad(40), options);
  CATCH_CHECK(std::abs(hidden(same.points.front())) < 1e-5);
}

CATCH_TEST_CASE("hidden states of a teacher of another shape, or of no encoder, are refused") {
  for (const torch::jit::Module& teacher : {traced_model("bert_sdpa_tf4"), unlike_encoders()}) {
    TrainOptions options = options_of(1, 0.5);
    options.recipe.hidden_weight = 1;
    options.teachers = {teacher};
    try {
      trained(options, marked_squad(20));
      CATCH_CHECK(false);
    } catch (const Error& error) {
      CATCH_CHECK(error.status() == ExitStatus::kUsage);
      CATCH_CHECK_THAT(error.what(), Catch::Contains("hidden_weight"));
    }
  }
}

}  // namespace prune2to4
