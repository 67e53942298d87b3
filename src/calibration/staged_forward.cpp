// SPDX-License-Identifier: Apache-2.0
#include "calibration/staged_forward.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace prune2to4 {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr size_t kWeight = 1;  // of aten::linear(input, weight, bias)

// Made anew in each stage that needs them: a weight may have been replaced in the meantime.
bool is_repeatable(const Node* node) {
  return node->kind() == c10::prim::Constant || node->kind() == c10::prim::GetAttr;
}

// The node of the graph's own block that `node` is or lies in.
const Node* outermost(const Node* node, Graph& graph) {
  while (node->owningBlock() != graph.block()) node = node->owningBlock()->owningNode();
  return node;
}

// Values that stages hand on: used by a node from `first` up to and with `last`, and defined before `first`.
std::vector<Value*> values_alive(const std::vector<Node*>& nodes, Graph& graph, size_t first, size_t last) {
  std::map<const Node*, size_t> places;
  for (size_t i = 0; i < nodes.size(); ++i) places.emplace(nodes[i], i);
  const auto is_used = [&](const Value* value) {
    return std::any_of(value->uses().begin(), value->uses().end(), [&](const torch::jit::Use& use) {
      const auto place = places.find(outermost(use.user, graph));
      return place != places.end() && place->second >= first && place->second <= last;
    });
  };
  std::vector<Value*> alive;
  for (size_t i = 1; i < graph.inputs().size(); ++i) {
    if (is_used(graph.inputs()[i])) alive.push_back(graph.inputs()[i]);
  }
  for (size_t i = 0; i < first; ++i) {
    if (is_repeatable(nodes[i])) continue;
    for (Value* output : nodes[i]->outputs()) {
      if (is_used(output)) alive.push_back(output);
    }
  }
  return alive;
}

// Where the weights are called, as places among `nodes`; empty unless each is called once, there, in order.
std::vector<size_t> places_of_calls(const torch::jit::Module& model, Graph& graph,
                                    const std::vector<Node*>& nodes,
                                    const std::vector<std::string>& weights) {
  const auto names = tensor_names(model);
  const auto weight_of = [&](const Node* node) {
    const auto read =
        node->kind() == c10::aten::linear ? read_attribute(node->input(kWeight), model) : std::nullopt;
    return read ? names.at(*read) : std::string();
  };
  const std::set<std::string> wanted(weights.begin(), weights.end());
  size_t calls = 0;
  for_each_node(graph.block(), [&](Node* node) { calls += wanted.count(weight_of(node)); });
  std::vector<size_t> places;
  for (size_t i = 0; i < nodes.size() && places.size() < weights.size(); ++i) {
    if (weight_of(nodes[i]) == weights[places.size()]) places.push_back(i);
  }
  return calls == weights.size() && places.size() == calls ? places : std::vector<size_t>();
}

}  // namespace

std::optional<StagedForward> StagedForward::cut(const torch::jit::Module& model,
                                                const std::vector<std::string>& weights) {
  const auto graph = inlined_forward(model);
  const Nodes nodes(graph->nodes().begin(), graph->nodes().end());
  const std::vector<size_t> cuts = places_of_calls(model, *graph, nodes, weights);
  if (cuts.empty()) return std::nullopt;
  StagedForward stages(model);
  std::vector<Value*> alive(graph->inputs().begin() + 1, graph->inputs().end());
  for (size_t stage = 0; stage < cuts.size(); ++stage) {
    stages.add_stage(nodes, stage == 0 ? 0 : cuts[stage - 1], cuts, stage, alive);
  }
  return stages;
}

// A graph of the nodes from `first` up to the stage's cut: from the model and the values alive before them to
// the call's input and those alive behind.
void StagedForward::add_stage(const Nodes& nodes, size_t first, const std::vector<size_t>& cuts, size_t stage,
                              std::vector<Value*>& alive) {
  Graph& whole = *nodes.front()->owningGraph();
  const auto part = std::make_shared<Graph>();
  std::unordered_map<Value*, Value*> values;
  values[whole.inputs()[0]] = part->addInput()->setType(whole.inputs()[0]->type());
  for (Value* value : alive) values[value] = part->addInput()->setType(value->type());
  std::function<Value*(Value*)> value_of;
  const auto copy = [&](Node* node) {
    Node* made = part->appendNode(part->createClone(node, value_of));
    for (size_t i = 0; i < node->outputs().size(); ++i) values[node->outputs()[i]] = made->outputs()[i];
  };
  value_of = [&](Value* value) {
    if (!values.contains(value)) copy(value->node());
    return values.at(value);
  };
  for (size_t i = first; i < cuts[stage]; ++i) {
    if (!is_repeatable(nodes[i])) copy(nodes[i]);
  }
  part->registerOutput(value_of(nodes[cuts[stage]]->input(0)));
  alive = values_alive(nodes, whole, cuts[stage], cuts.back());
  for (Value* value : alive) part->registerOutput(value_of(value));
  stages_.emplace_back(part, "stage " + std::to_string(stage));
}

StagedForward::State StagedForward::begin(std::vector<c10::IValue> inputs) const {
  inputs.insert(inputs.begin(), model_._ivalue());
  model_.get_method("forward").function().getSchema().checkAndNormalizeInputs(inputs, {});
  inputs.erase(inputs.begin());
  return inputs;
}

at::Tensor StagedForward::run(size_t stage, State& state) const {
  torch::jit::Stack stack{model_._ivalue()};
  std::move(state.begin(), state.end(), std::back_inserter(stack));
  state.clear();
  torch::jit::InterpreterState(stages_[stage]).run(stack);
  at::Tensor input = stack.front().toTensor();
  state.assign(std::make_move_iterator(stack.begin() + 1), std::make_move_iterator(stack.end()));
  return input;
}

}  // namespace prune2to4
