// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <catch2/catch.hpp>

#include "model/small_models.h"
#include "prune2to4/encoder.h"
#include "prune2to4/error.h"
#include "prune2to4/training_graph.h"
#include "train/device_module.h"
#include "train/loss.h"
#include "train/network.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

// Four windows of different lengths. RoBERTa has one segment only, and 1 for its padding.
PackedBatch batch_for(const torch::jit::Module& module, int64_t width = 0) {
  PackedBatch batch = pack_batch(marked_squad(12, 20), {3, 1, 4, 7}, {4, width, 1, 0.25});
  const TextLimits limits = text_limits(module);
  if (limits.segments < 2) batch.segments.zero_();
  batch.ids.masked_fill_(batch.ids.eq(1), 63);
  return batch;
}

struct Computed {
  SpanLogits logits;
  DeviceModule model;
};

// Logits without dropout, and the loss's gradients in the model's parameters.
Computed compute(const torch::jit::Module& source, const PackedBatch& batch, bool encoder) {
  Computed result{{}, DeviceModule(source, {}, at::kCPU)};
  const std::string engine = encoder ? "encoder" : "interpreter";
  NetworkOptions options;
  const auto network = encoder ? make_network(result.model.module, result.model.parameters, 0.0, options)
                               : make_graph_network(result.model.module, result.model.module, options, "");
  CATCH_CHECK_THAT(network->description(), Catch::StartsWith(engine));
  result.logits = network->forward(batch, true, nullptr);
  Recipe recipe;
  recipe.distill_weight = 0;
  torch::autograd::backward({span_loss(result.logits, batch, recipe).total});
  return result;
}

// |a - b| / |b| over the tokens.
double difference(const SpanLogits& a, const SpanLogits& b, const PackedBatch& batch) {
  const auto real = [&](const SpanLogits& logits) {
    return at::cat({logits.start.masked_select(batch.real), logits.end.masked_select(batch.real)}).detach();
  };
  return relative_difference(real(a), real(b));
}

std::unique_ptr<Network> network_of(DeviceModule& model, std::optional<double> dropout,
                                    NetworkOptions& options) {
  return make_network(model.module, model.parameters, dropout, options);
}

}  // namespace

CATCH_TEST_CASE("an encoder without padding has the module's own logits and gradients, for every family") {
  for (const char* name : kTracedModels) {
    CATCH_INFO(name);
    const torch::jit::Module source = traced_model(name);
    const PackedBatch batch = batch_for(source);
    const Computed encoder = compute(source, batch, true);
    const Computed interpreter = compute(source, batch, false);
    CATCH_CHECK(difference(encoder.logits, interpreter.logits, batch) < 1e-4);
    CATCH_CHECK(encoder.logits.start.masked_select(batch.real.logical_not()).eq(kNoLogit).all().item<bool>());

    const double whole = interpreter.model.parameters.gradients.norm().item<double>();
    CATCH_CHECK(whole > 0.01);
    CATCH_CHECK(relative_difference(encoder.model.parameters.gradients,
                                    interpreter.model.parameters.gradients) < 1e-4);
    for (const Parameter& mine : encoder.model.parameters.list) {
      CATCH_INFO(mine.name);
      const at::Tensor theirs = interpreter.model.parameters.at(mine.name).gradient;
      // Gradients that are nothing but rounding have no relative error.
      CATCH_CHECK((mine.gradient - theirs).norm().item<double>() <
                  1e-4 * (theirs.norm().item<double>() + 1e-3 * whole));
    }
  }
}

CATCH_TEST_CASE("the number of heads is found also while attention is still even") {
  for (const char* name : {"bert_sdpa_tf4", "distilbert_sdpa_tf4"}) {
    torch::jit::Module source = traced_model(name);
    const PackedBatch batch = batch_for(source);
    // With queries of some size a wrong number shows, which it hardly does in what make_network() compares.
    const Computed before = compute(source, batch, true);
    DeviceModule model(source, {}, at::kCPU);
    NetworkOptions options;
    const auto network = network_of(model, 0.0, options);
    {
      const at::NoGradGuard no_gradients;
      for (const Parameter& each : model.parameters.list) {
        if (each.name.find("query.weight") != each.name.npos ||
            each.name.find("q_lin.weight") != each.name.npos)
          each.value.mul_(1000);
      }
    }
    const auto interpreter = make_graph_network(model.module, model.module, options, "");
    const SpanLogits mine = network->forward(batch, false, nullptr);
    CATCH_CHECK(difference(mine, interpreter->forward(batch, false, nullptr), batch) < 1e-4);
    CATCH_CHECK(difference(mine, before.logits, batch) > 1e-3);
  }
}

CATCH_TEST_CASE("logits and gradients are the same however wide the batch is") {
  for (const char* name : {"bert_sdpa_tf4", "roberta_sdpa_tf4"}) {
    const torch::jit::Module source = traced_model(name);
    const PackedBatch narrow = batch_for(source);
    const PackedBatch wide = batch_for(source, narrow.width + 7);
    for (const bool encoder : {true, false}) {
      const Computed a = compute(source, narrow, encoder);
      const Computed b = compute(source, wide, encoder);
      const auto cut = [&](const at::Tensor& logits) { return logits.narrow(1, 0, narrow.width); };
      CATCH_CHECK(difference({cut(b.logits.start), cut(b.logits.end)}, a.logits, narrow) < 1e-5);
      CATCH_CHECK(relative_difference(b.model.parameters.gradients, a.model.parameters.gradients) < 1e-5);
    }
  }
}

CATCH_TEST_CASE("hidden states are those behind each layer, for every token") {
  DeviceModule model(traced_model("bert_sdpa_tf4"), {}, at::kCPU);
  NetworkOptions options;
  const auto network = network_of(model, 0.0, options);
  const PackedBatch batch = batch_for(model.module);
  std::vector<at::Tensor> hidden;
  const SpanLogits logits = network->forward(batch, false, &hidden);
  CATCH_CHECK(network->layers() == 2);
  CATCH_CHECK(network->width() == 16);
  CATCH_REQUIRE(hidden.size() == 2);
  for (const at::Tensor& each : hidden) CATCH_CHECK(each.sizes() == at::IntArrayRef({batch.tokens(), 16}));
  const at::Tensor last = at::linear(hidden[1], model.parameters.at("qa_outputs.weight").value,
                                     model.parameters.at("qa_outputs.bias").value);
  CATCH_CHECK(at::allclose(logits.start.masked_select(batch.real), last.select(1, 0)));
}

CATCH_TEST_CASE("with dropout two passes differ, without it they are equal") {
  for (const bool encoder : {true, false}) {
    DeviceModule model(encoder ? traced_model("bert_sdpa_tf4") : unlike_encoders(), {}, at::kCPU);
    const PackedBatch batch = batch_for(model.module);
    NetworkOptions options;
    const auto network = network_of(model, 0.1, options);
    CATCH_CHECK_THAT(network->description(), Catch::StartsWith(encoder ? "encoder" : "interpreter"));
    CATCH_CHECK(options.dropout.hidden == 0.1);
    CATCH_CHECK(options.dropout.attention == 0.1);
    CATCH_CHECK(options.dropout.places == 1 + 2 * 3);
    at::manual_seed(1);
    const SpanLogits one = network->forward(batch, true, nullptr);
    const SpanLogits two = network->forward(batch, true, nullptr);
    CATCH_CHECK(difference(one, two, batch) > 1e-3);
    at::manual_seed(1);
    CATCH_CHECK(at::equal(network->forward(batch, true, nullptr).start, one.start));
    CATCH_CHECK(at::equal(network->forward(batch, false, nullptr).start,
                          network->forward(batch, false, nullptr).start));
  }
}

CATCH_TEST_CASE("a model that is a BERT encoder by name only runs through the interpreter") {
  DeviceModule model(unlike_encoders(), {}, at::kCPU);
  NetworkOptions options;
  std::string reason;
  CATCH_REQUIRE(find_encoder(model.module, reason));
  const auto network = network_of(model, 0.0, options);
  CATCH_CHECK(network->description() ==
              "interpreter (no BERT encoder was recognised: its logits are not those of a "
              "BERT encoder with its parameters)");
  CATCH_CHECK(network->pads());
  CATCH_CHECK(network->layers() == 0);
}

CATCH_TEST_CASE("a model that is no BERT runs through the interpreter, which says why") {
  DeviceModule model(token_module(), {}, at::kCPU);
  NetworkOptions options;
  const auto network = network_of(model, 0.1, options);
  CATCH_CHECK_THAT(network->description(),
                   Catch::StartsWith("interpreter (no BERT encoder was recognised: it has no embeddings."));
  const PackedBatch batch = pack_batch(read_squad(small_squad_file()), {0, 2}, {2, 0, 1, 1});
  const SpanLogits logits = network->forward(batch, true, nullptr);
  CATCH_CHECK(at::equal(logits.start.masked_select(batch.real), batch.ids.to(at::kFloat)));
  CATCH_CHECK(at::equal(logits.end.masked_select(batch.real), batch.ids.to(at::kFloat) + 1));
  CATCH_CHECK(logits.start[0][7].item<double>() == kNoLogit);
}

}  // namespace prune2to4
