// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/input_capture.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "model/small_models.h"
#include "prune2to4/batches.h"
#include "prune2to4/error.h"
#include "prune2to4/model.h"
#include "prune2to4/module_parameters.h"
#include "train/training_fixture.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

struct Captured {
  std::vector<std::vector<std::string>> groups;
  std::map<std::string, InputMoments> moments;  // by weight
};

Captured capture(const torch::jit::Module& model, const std::vector<std::string>& weights,
                 const TokenizedSquad& data, const std::vector<int64_t>& windows,
                 const CaptureOptions& options = {}) {
  Captured result;
  capture_inputs(model, at::kCPU, weights, data, windows, options, [&](const CapturedInput& input) {
    result.groups.push_back(input.weights);
    for (const std::string& weight : input.weights) result.moments[weight] = input.moments;
  });
  return result;
}

std::vector<std::string> linear_names(const InlinedModel& model) {
  std::vector<std::string> names;
  for (const LinearLayer& linear : model.linears()) names.push_back(linear.name);
  return names;
}

// What every linear of `model` reads, from a graph that returns it: in the order of the calls, fp64 [tokens,
// in], each window run alone and without padding.
std::vector<at::Tensor> direct_inputs(const torch::jit::Module& model, const TokenizedSquad& data,
                                      const std::vector<int64_t>& windows) {
  const auto graph = model.get_method("forward").graph()->copy();
  std::vector<torch::jit::Value*> inputs;
  for (torch::jit::Node* node : graph->nodes()) {
    if (node->kind() == c10::aten::linear) inputs.push_back(node->input(0));
  }
  torch::jit::Node* list = graph->insertNode(graph->createList(c10::TensorType::get(), inputs));
  graph->eraseOutput(0);
  graph->registerOutput(list->output());
  torch::jit::GraphExecutor executor(graph, "inputs");
  std::vector<at::Tensor> found(inputs.size());
  for (const int64_t window : windows) {
    const TextBatch batch = fill_batch(data, std::vector{window}, 1, data.length(window));
    torch::jit::Stack stack{model._ivalue()};
    for (const c10::IValue& input : forward_inputs(model, batch, at::kCPU)) stack.push_back(input);
    executor.run(stack);
    const auto tensors = stack.back().toTensorVector();
    for (size_t i = 0; i < tensors.size(); ++i) {
      const at::Tensor rows = tensors[i].detach().reshape({-1, tensors[i].size(-1)}).to(at::kDouble);
      found[i] = found[i].defined() ? at::cat({found[i], rows}) : rows;
    }
  }
  return found;
}

void check_moments(const InputMoments& moments, const at::Tensor& rows) {
  CATCH_CHECK(moments.tokens == rows.size(0));
  CATCH_CHECK(moments.products.scalar_type() == at::kFloat);
  CATCH_CHECK(at::allclose(moments.products.to(at::kDouble), rows.t().mm(rows), 1e-4, 1e-4));
  CATCH_CHECK(at::allclose(moments.sums.to(at::kDouble), rows.sum(0), 1e-4, 1e-4));
}

}  // namespace

CATCH_TEST_CASE("moments are those of the inputs without padding, and who reads one tensor shares them") {
  const auto name = GENERATE("bert_sdpa_tf4", "bert_eager_tf4", "tiny_bert");
  const TokenizedSquad data = marked_squad(9);
  const InlinedModel model(traced_model(name), false);
  const torch::jit::Module module = model.rewrite({});
  const std::vector<int64_t> windows{0, 2, 3, 7, 8};
  const auto names = linear_names(model);
  const auto wanted = direct_inputs(module, data, windows);
  CATCH_REQUIRE(wanted.size() == names.size());
  // 40 tokens: several batches, and padding in them.
  const Captured captured = capture(module, names, data, windows, {.batch_tokens = 40});
  for (size_t i = 0; i < names.size(); ++i) {
    CATCH_INFO(name << " " << names[i]);
    CATCH_REQUIRE(captured.moments.contains(names[i]));
    check_moments(captured.moments.at(names[i]), wanted[i]);
  }
  CATCH_REQUIRE(captured.groups.front().size() == 3);
  CATCH_CHECK_THAT(captured.groups.front()[0], Contains("query"));
  CATCH_CHECK_THAT(captured.groups.front()[1], Contains("key"));
  CATCH_CHECK_THAT(captured.groups.front()[2], Contains("value"));
  CATCH_CHECK(captured.groups[1].size() == 1);
}

CATCH_TEST_CASE("with room for one layer's moments the windows run again for the next") {
  const TokenizedSquad data = marked_squad(5);
  const InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  const torch::jit::Module module = model.rewrite({});
  const auto names = linear_names(model);
  const std::vector<int64_t> windows{0, 1, 2, 3, 4};
  const Captured whole = capture(module, names, data, windows);
  const Captured single = capture(module, names, data, windows, {.moment_bytes = 1});
  CATCH_CHECK(single.groups == whole.groups);
  for (const auto& [name, moments] : whole.moments) {
    CATCH_CHECK(at::equal(moments.products, single.moments.at(name).products));
    CATCH_CHECK(moments.tokens == single.moments.at(name).tokens);
  }
}

CATCH_TEST_CASE("one after the other, inputs are those of the pruned model beside the dense one's") {
  const TokenizedSquad data = marked_squad(6);
  const InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  const torch::jit::Module dense = model.rewrite({});
  torch::jit::Module pruned = model.rewrite({});
  const auto names = linear_names(model);
  const std::vector<int64_t> windows{0, 1, 2, 4, 5};
  std::vector<CapturedInput> inputs;
  capture_sequentially(dense, pruned, at::kCPU, names, data, windows, {.batch_tokens = 30},
                       [&](const CapturedInput& input) {
                         inputs.push_back(input);
                         const std::string& name = input.weights.back();
                         set_parameter(pruned, {name, parameter_named(pruned, name).detach() * 0.5});
                       });
  const auto wanted_dense = direct_inputs(dense, data, windows);
  const auto wanted = direct_inputs(pruned, data, windows);
  CATCH_REQUIRE(inputs.size() > 4);
  CATCH_CHECK(at::equal(inputs[0].moments.products, inputs[0].moments.cross));
  for (const CapturedInput& input : inputs) {
    CATCH_INFO(input.weights.front());
    const auto place =
        static_cast<size_t>(std::find(names.begin(), names.end(), input.weights.front()) - names.begin());
    check_moments(input.moments, wanted[place]);
    const at::Tensor& d = wanted_dense[place];
    const auto near = [](const at::Tensor& found, const at::Tensor& expected) {
      return at::allclose(found.to(at::kDouble), expected, 1e-4, 1e-4);
    };
    CATCH_CHECK(near(input.moments.cross, d.t().mm(wanted[place])));
    CATCH_CHECK(near(input.moments.dense_products, d.t().mm(d)));
    CATCH_CHECK(near(input.moments.dense_sums, d.sum(0)));
  }
}

CATCH_TEST_CASE("only the weights asked for are captured") {
  const TokenizedSquad data = marked_squad(3);
  const InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  const std::string name = model.linears()[4].name;
  const Captured captured = capture(model.rewrite({}), {name, "no such weight"}, data, {1});
  CATCH_CHECK(captured.groups == std::vector<std::vector<std::string>>{{name}});
  CATCH_CHECK(captured.moments.at(name).tokens == data.length(1));
}

CATCH_TEST_CASE("data beyond the model's vocabulary is refused") {
  SquadFile file = marked_squad_file(3);
  file.tensor("input_ids").set<int32_t>(1, 1 << 30);
  const TokenizedSquad data = read_squad(file);
  const InlinedModel model(traced_model("bert_sdpa_tf4"), false);
  CATCH_CHECK_THROWS_WITH(capture(model.rewrite({}), linear_names(model), data, {0}), Contains("vocabulary"));
}

CATCH_TEST_CASE("windows are spread over the whole file") {
  CATCH_CHECK(spread_windows(10, 5) == std::vector<int64_t>{0, 2, 4, 6, 8});
  CATCH_CHECK(spread_windows(3, 5) == std::vector<int64_t>{0, 1, 2});
  CATCH_CHECK(spread_windows(7, 3) == std::vector<int64_t>{0, 2, 4});
}

}  // namespace prune2to4
