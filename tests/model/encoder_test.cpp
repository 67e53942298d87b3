// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/encoder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "model/small_models.h"
#include "model/traced_model.h"
#include "prune2to4/module_parameters.h"

namespace prune2to4 {

CATCH_TEST_CASE("an encoder is found in every family's model, each of its parts by name") {
  for (const std::string name : kTracedModels) {
    CATCH_INFO(name);
    std::string reason;
    const auto module = traced_model(name);
    const auto spec = find_encoder(module, reason);
    CATCH_INFO(reason);
    CATCH_REQUIRE(spec);
    CATCH_CHECK(spec->width == (name == "tiny_bert" ? 64 : 16));
    CATCH_CHECK(spec->layers.size() == 2);
    CATCH_CHECK(spec->epsilon == 1e-12);
    CATCH_CHECK(spec->position_offset == (name == "roberta_sdpa_tf4" ? 2 : 0));
    CATCH_CHECK(spec->segment_embedding.empty() == (name == "distilbert_sdpa_tf4"));
    CATCH_CHECK(spec->attention_dropout == (name != "distilbert_sdpa_tf4"));
    CATCH_CHECK(spec->head.weight == "qa_outputs.weight");
    const auto heads = possible_heads(module, spec->width);
    CATCH_CHECK(std::count(heads.begin(), heads.end(), spec->heads) == 1);

    // Every parameter has one part.
    std::vector<std::string> parts{spec->word_embedding, spec->position_embedding};
    if (!spec->segment_embedding.empty()) parts.push_back(spec->segment_embedding);
    const auto add = [&](const AffineNames& names) { parts.insert(parts.end(), {names.weight, names.bias}); };
    add(spec->embedding_norm);
    add(spec->head);
    for (const EncoderLayerNames& layer : spec->layers) {
      for (const auto part :
           {&EncoderLayerNames::query, &EncoderLayerNames::key, &EncoderLayerNames::value,
            &EncoderLayerNames::attention_output, &EncoderLayerNames::attention_norm,
            &EncoderLayerNames::intermediate, &EncoderLayerNames::output, &EncoderLayerNames::output_norm}) {
        add(layer.*part);
      }
    }
    std::vector<std::string> parameters;
    for (const NamedTensor& each : forward_parameters(module)) parameters.push_back(each.name);
    std::sort(parts.begin(), parts.end());
    std::sort(parameters.begin(), parameters.end());
    CATCH_CHECK(parts == parameters);
  }
}

CATCH_TEST_CASE("BERT's layers have their names") {
  std::string reason;
  const auto spec = find_encoder(traced_model("bert_eager_tf4"), reason);
  CATCH_REQUIRE(spec);
  const EncoderLayerNames& layer = spec->layers[1];
  const std::string prefix = "bert.encoder.layer.1.";
  CATCH_CHECK(layer.query.weight == prefix + "attention.self.query.weight");
  CATCH_CHECK(layer.value.bias == prefix + "attention.self.value.bias");
  CATCH_CHECK(layer.attention_output.weight == prefix + "attention.output.dense.weight");
  CATCH_CHECK(layer.attention_norm.weight == prefix + "attention.output.LayerNorm.weight");
  CATCH_CHECK(layer.intermediate.weight == prefix + "intermediate.dense.weight");
  CATCH_CHECK(layer.output.weight == prefix + "output.dense.weight");
  CATCH_CHECK(layer.output_norm.bias == prefix + "output.LayerNorm.bias");
}

CATCH_TEST_CASE("numbers of heads divide the width, and the likeliest comes first") {
  const auto module = traced_model("tiny_bert");
  const auto heads = possible_heads(module, 64);
  CATCH_REQUIRE_FALSE(heads.empty());
  for (const int64_t each : heads) CATCH_CHECK(64 % each == 0);
  CATCH_CHECK(possible_heads(linear_module(4, 4), 1000003).size() <= 1);
}

CATCH_TEST_CASE("a model that is no BERT encoder is refused with a reason") {
  std::string reason;
  CATCH_CHECK_FALSE(find_encoder(encoder_module(), reason));
  CATCH_CHECK(reason == "it has no embeddings.word_embeddings");

  torch::jit::Module bert = traced_model("bert_sdpa_tf4");
  const auto resize = [&](const std::string& name, at::IntArrayRef sizes) {
    set_parameters(bert, {{name, at::zeros(sizes)}});
  };
  resize("bert.encoder.layer.0.attention.self.key.weight", {16, 8});
  CATCH_CHECK_FALSE(find_encoder(bert, reason));
  CATCH_CHECK(reason == "its parameters' shapes are not those of a BERT encoder");
  resize("bert.encoder.layer.0.attention.self.key.weight", {16, 16});
  CATCH_CHECK(find_encoder(bert, reason));
  resize("qa_outputs.weight", {3, 16});
  CATCH_CHECK_FALSE(find_encoder(bert, reason));
}

}  // namespace prune2to4
