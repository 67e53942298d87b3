// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "prune2to4/error.h"
#include "prune2to4/layer_config.h"

namespace prune2to4 {
namespace {

using Names = std::vector<std::string>;

const Names kLinears = {
    "bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.0.attention.output.dense.weight",
    "bert.encoder.layer.0.intermediate.dense.weight",   "bert.encoder.layer.0.output.dense.weight",
    "bert.encoder.layer.1.attention.self.query.weight", "qa_outputs.weight",
};
const Names kOthers = {"bert.embeddings.word_embeddings.weight",
                       "bert.encoder.layer.0.output.LayerNorm.weight", "qa_outputs.bias"};

LayerConfig with_layers(const std::string& entries) {
  return parse_layer_config(R"({"version": 1, "layers": [)" + entries + "]}", "layers.json");
}

std::vector<LayerChoice> choose(const std::string& entries) {
  return choose_layers(with_layers(entries), kLinears, kOthers);
}

// One letter a layer: selected or dense.
std::string pattern_of(const std::vector<LayerChoice>& choices) {
  std::string letters;
  for (const LayerChoice& choice : choices) letters += choice.selected ? 's' : '-';
  return letters;
}

std::string refusal(const std::string& entries, const Names& linears = kLinears) {
  try {
    choose_layers(with_layers(entries), linears, kOthers);
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
  return "accepted";
}

CATCH_TEST_CASE("by default the linears whose name contains layer are chosen", "[layer_choice]") {
  const auto choices = choose_layers(default_layer_config(), kLinears, kOthers);
  CATCH_CHECK(pattern_of(choices) == "sssss-");
  CATCH_CHECK(choices[0].name == kLinears[0]);
  CATCH_CHECK(choices[0].mask == MaskOptions{});
  CATCH_CHECK(choices[0].rule == R"(default: name contains "layer")");
  CATCH_CHECK(choices[5].rule == "no rule");
}

CATCH_TEST_CASE("defaults without layers reach the default selection", "[layer_choice]") {
  const LayerConfig config = parse_layer_config(R"({"version": 1, "defaults": {"norm": 1}})", "layers.json");
  CATCH_CHECK(choose_layers(config, kLinears, {})[0].mask.norm == 1);
}

CATCH_TEST_CASE("names, globs and regular expressions match whole names", "[layer_choice]") {
  CATCH_CHECK(pattern_of(choose(R"({"tensor_fqn": "qa_outputs.weight"})")) == "-----s");
  CATCH_CHECK(pattern_of(choose(R"({"match": "bert.*.weight"})")) == "sssss-");
  CATCH_CHECK(pattern_of(choose(R"({"match": "*.layer.?.output.dense.weight"})")) == "---s--");
  CATCH_CHECK(pattern_of(choose(R"({"match": "*.layer.[!0].*"})")) == "----s-");
  CATCH_CHECK(pattern_of(choose(
                  R"({"regex": ".*\\.layer\\.\\d+\\.(intermediate|output)\\.dense\\.weight"})")) == "--ss--");
  CATCH_CHECK_THAT(refusal(R"({"regex": "layer"})"),
                   Catch::Contains("no linear layer's weight has such a name"));
  CATCH_CHECK_THAT(refusal(R"({"match": "bert"})"),
                   Catch::Contains("no linear layer's weight has such a name"));
}

CATCH_TEST_CASE("the last entry that matches decides alone", "[layer_choice]") {
  const auto choices = choose(R"(
      {"match": "*", "norm": 1, "zeros_per_block": 3},
      {"match": "*.layer.0.*", "skip": true},
      {"match": "*.query.weight", "zeros_per_block": 1},
      {"tensor_fqn": "qa_outputs.weight", "skip": true})");
  CATCH_CHECK(pattern_of(choices) == "s---s-");
  CATCH_CHECK(choices[0].mask == MaskOptions{.zeros_per_block = 1});  // nothing of the first entry's norm
  CATCH_CHECK(choices[0].rule == R"(/layers/2 match "*.query.weight")");
  CATCH_CHECK(choices[1].rule == "/layers/1 skip");
  CATCH_CHECK(choices[5].rule == "/layers/3 skip");
}

CATCH_TEST_CASE("an entry may be overridden wholly by later ones", "[layer_choice]") {
  CATCH_CHECK(pattern_of(choose(R"({"match": "qa_*", "skip": true}, {"match": "*"})")) == "ssssss");
}

CATCH_TEST_CASE("the rule of a plain list is named by its place", "[layer_choice]") {
  const LayerConfig config = parse_layer_config(R"([{"tensor_fqn": "qa_outputs.weight"}])", "layers.json");
  CATCH_CHECK(choose_layers(config, kLinears, kOthers)[5].rule == R"(/0 tensor_fqn "qa_outputs.weight")");
}

CATCH_TEST_CASE("an entry that matches nothing lists the nearest names", "[layer_choice]") {
  CATCH_CHECK(
      refusal(R"({"match": "*"}, {"tensor_fqn": "bert.encoder.layer.0.atention.self.query.weight"})") ==
      R"([layers] /layers/1/tensor_fqn: "bert.encoder.layer.0.atention.self.query.weight": )"
      R"(no linear layer's weight has such a name; nearest: )"
      R"("bert.encoder.layer.0.attention.self.query.weight" )"
      R"("bert.encoder.layer.1.attention.self.query.weight" )"
      R"("bert.encoder.layer.0.attention.output.dense.weight")");
}

CATCH_TEST_CASE("an entry that names a module is told the weight", "[layer_choice]") {
  const std::string hint = R"(it matches a module, not its weight; did you mean "qa_outputs.weight"?)";
  CATCH_CHECK(refusal(R"({"tensor_fqn": "qa_outputs"})") ==
              R"([layers] /layers/0/tensor_fqn: "qa_outputs": )" + hint);
  CATCH_CHECK_THAT(refusal(R"({"match": "qa_output?"})"), Catch::Contains(hint));
  CATCH_CHECK_THAT(refusal(R"({"regex": "nothing|qa_outputs"})"), Catch::Contains(hint));
}

CATCH_TEST_CASE("only weights of linear layers can be named", "[layer_choice]") {
  CATCH_CHECK(refusal(R"({"tensor_fqn": "bert.embeddings.word_embeddings.weight"})") ==
              R"([layers] /layers/0/tensor_fqn: "bert.embeddings.word_embeddings.weight": )"
              "it is not the weight of a linear layer; only those can be pruned or skipped");
  CATCH_CHECK_THAT(refusal(R"({"match": "*embeddings*", "skip": true})"),
                   Catch::Contains(R"(such as "bert.embeddings.word_embeddings.weight", is not the weight)"));
}

CATCH_TEST_CASE("a model without linear layers is said to have none", "[layer_choice]") {
  CATCH_CHECK(refusal(R"({"match": "x*"})", {}) ==
              R"([layers] /layers/0/match: "x*": the model has no linear layer)");
  CATCH_CHECK(choose_layers(default_layer_config(), {}, kOthers).empty());
}

CATCH_TEST_CASE("the configs that come with the tool choose the encoder's linears", "[layer_choice]") {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../configs";
  CATCH_CHECK(pattern_of(choose_layers(read_layer_config(folder / "bert_2to4.json"), kLinears, kOthers)) ==
              "sssss-");
  CATCH_CHECK(pattern_of(choose_layers(read_layer_config(folder / "ffn_only.json"), kLinears, kOthers)) ==
              "--ss--");
  const Names distilbert = {"distilbert.transformer.layer.0.attention.q_lin.weight", "qa_outputs.weight"};
  CATCH_CHECK(pattern_of(choose_layers(read_layer_config(folder / "bert_2to4.json"), distilbert, {})) ==
              "s-");
}

}  // namespace
}  // namespace prune2to4
