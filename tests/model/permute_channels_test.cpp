// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/permute_channels.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/layer_choices.h"
#include "model/small_models.h"
#include "model/traced_model.h"
#include "prune2to4/encoder.h"
#include "prune2to4/error.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/probe.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

std::map<std::string, at::Tensor> values_of(const InlinedModel& model) {
  std::map<std::string, at::Tensor> values;
  for (const auto& parameter : model.rewrite({}).named_parameters()) {
    values.emplace(parameter.name, parameter.value.detach().clone());
  }
  return values;
}

// Column i of `after` is column order[i] of `before`, which no other one equals.
std::vector<int64_t> order_between(const at::Tensor& before, const at::Tensor& after) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < after.size(1); ++i) {
    for (int64_t j = 0; j < before.size(1); ++j) {
      if (at::equal(after.select(1, i), before.select(1, j))) order.push_back(j);
    }
  }
  return order;
}

int64_t moved(const std::vector<int64_t>& order) {
  int64_t count = 0;
  for (size_t i = 0; i < order.size(); ++i) count += order[i] != static_cast<int64_t>(i);
  return count;
}

double kept_share(const at::Tensor& weight) {
  const at::Tensor groups = weight.to(at::kDouble).square().reshape({-1, 4});
  return (std::get<0>(groups.topk(2, 1)).sum() / groups.sum()).item<double>();
}

}  // namespace

CATCH_TEST_CASE("channels of every family's model move together, and the dense model computes the same") {
  for (const std::string name : kTracedModels) {
    CATCH_INFO(name);
    InlinedModel model(traced_model(name), false);
    const auto before = values_of(model);
    const Probe probe = make_probe(model.rewrite({}).clone(), at::kCPU, 1);
    CATCH_REQUIRE(probe.failure.empty());
    const PermutationReport report = permute_channels(model, choose_all(model), 0);
    const auto after = values_of(model);

    CATCH_CHECK(report.dtype == "float64");
    CATCH_CHECK(report.layers >= 2);
    CATCH_CHECK(report.kept_after > report.kept_before);
    CATCH_CHECK(report.largest_logit > 0);
    CATCH_CHECK(report.largest_logit_difference < 1e-6);
    const auto difference = compare_outputs(probe.outputs, run_probe(model.rewrite({}), probe, at::kCPU, 1));
    CATCH_CHECK(difference.largest_difference < 1e-4 * std::max(1.0, difference.largest_value));

    std::string reason;
    const auto spec = find_encoder(model.rewrite({}), reason);
    CATCH_REQUIRE(spec);
    std::set<std::string> changed;
    for (const EncoderLayerNames& layer : spec->layers) {
      const std::pair<AffineNames, std::string> writers_and_readers[] = {
          {layer.value, layer.attention_output.weight}, {layer.intermediate, layer.output.weight}};
      for (const auto& [writer, reader] : writers_and_readers) {
        const auto order = order_between(before.at(reader), after.at(reader));
        CATCH_REQUIRE(static_cast<int64_t>(order.size()) == after.at(reader).size(1));
        const at::Tensor index = at::tensor(order);
        CATCH_CHECK(at::equal(after.at(writer.weight), before.at(writer.weight).index_select(0, index)));
        CATCH_CHECK(at::equal(after.at(writer.bias), before.at(writer.bias).index_select(0, index)));
        CATCH_CHECK(kept_share(after.at(reader)) >= kept_share(before.at(reader)));
        changed.insert({writer.weight, writer.bias, reader});
      }
    }
    for (const auto& [parameter, value] : before) {
      if (!changed.contains(parameter)) CATCH_CHECK(at::equal(after.at(parameter), value));
    }
  }
}

CATCH_TEST_CASE("values move within their heads, however the graph's other numbers read") {
  InlinedModel model(traced_model("tiny_bert"), false);
  std::string reason;
  const auto spec = find_encoder(model.rewrite({}), reason);
  CATCH_REQUIRE(spec);
  const auto before = values_of(model);
  permute_channels(model, choose_all(model), 0);
  const auto after = values_of(model);
  const int64_t width = spec->width / spec->heads;
  int64_t moves = 0;
  for (const EncoderLayerNames& layer : spec->layers) {
    const std::string& reader = layer.attention_output.weight;
    const auto order = order_between(before.at(reader), after.at(reader));
    for (size_t i = 0; i < order.size(); ++i) {
      CATCH_CHECK(order[i] / width == static_cast<int64_t>(i) / width);
    }
    moves += moved(order);
  }
  CATCH_CHECK(moves > 0);
}

CATCH_TEST_CASE("the same model gets the same order, on one thread or two, in half precision too") {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    std::vector<std::map<std::string, at::Tensor>> results;
    const int threads = at::get_num_threads();
    for (const int each : {1, 2}) {
      at::set_num_threads(each);
      InlinedModel model(traced_model("bert_eager_tf4", type), false);
      const PermutationReport report =
          permute_channels(model, choose_all(model), static_cast<uint64_t>(each));
      CATCH_CHECK(report.layers > 0);
      CATCH_CHECK(model.linears().front().weight.scalar_type() == type);
      results.push_back(values_of(model));
    }
    at::set_num_threads(threads);
    for (const auto& [name, value] : results[0]) CATCH_CHECK(at::equal(value, results[1].at(name)));
  }
}

CATCH_TEST_CASE("layers that are not pruned to 2:4, or share their memory, stay as they are") {
  const auto stays = [](InlinedModel& model, const std::vector<LayerChoice>& choices) {
    const auto before = values_of(model);
    const PermutationReport report = permute_channels(model, choices, 0);
    CATCH_CHECK(report.layers == 0);
    CATCH_CHECK(report.kept_after == 0);
    for (const auto& [name, value] : values_of(model)) CATCH_CHECK(at::equal(value, before.at(name)));
  };
  InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  std::vector<LayerChoice> none = choose_all(model);
  for (LayerChoice& each : none) each.selected = false;
  stays(model, none);
  MaskOptions mask;
  mask.sparsity_level = 0.5;
  stays(model, choose_all(model, mask));
  mask = {};
  mask.zeros_per_block = 1;
  stays(model, choose_all(model, mask));
  mask.sparse_block_shape = {1, 8};
  mask.zeros_per_block = 2;
  stays(model, choose_all(model, mask));

  torch::jit::Module aliased = traced_model("bert_sdpa_tf4");
  for (const std::string name : {"0.output", "1.intermediate", "0.attention.output", "1.attention.output"}) {
    std::string alias = name;
    std::replace(alias.begin(), alias.end(), '.', '_');
    aliased.register_buffer(alias, parameter_named(aliased, "bert.encoder.layer." + name + ".dense.weight"));
  }
  InlinedModel shared(aliased, false);
  stays(shared, choose_all(shared));
}

CATCH_TEST_CASE("a model that is no encoder, or whose layers share a weight, is refused") {
  InlinedModel other(encoder_module(), false);
  CATCH_CHECK_THROWS_WITH(permute_channels(other, choose_all(other), 0),
                          Contains("[permute]") && Contains("it has no embeddings.word_embeddings") &&
                              Contains("leave --permute out"));
  torch::jit::Module tied = traced_model("bert_sdpa_tf4");
  const std::string name = ".output.dense.weight";
  set_parameter(tied, {"bert.encoder.layer.1" + name, parameter_named(tied, "bert.encoder.layer.0" + name)});
  InlinedModel twins(tied, false);
  CATCH_CHECK_THROWS_WITH(permute_channels(twins, choose_all(twins), 0), Contains("has no parameter"));
}

}  // namespace prune2to4
