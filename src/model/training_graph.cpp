// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/training_graph.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <map>
#include <set>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;
using Kinds = std::set<c10::Symbol>;

constexpr double kUsualDropout = 0.1;

// Where an operator has p and `train` among its inputs; attention has no `train`, it drops when p > 0.
struct Inputs {
  size_t p;
  std::optional<size_t> train;
};

std::optional<Inputs> dropout_inputs(const Node* node) {
  static const std::map<c10::Symbol, Inputs> kOperators = [] {
    std::map<c10::Symbol, Inputs> operators;
    for (const char* name :
         {"dropout", "dropout_", "feature_dropout", "feature_dropout_", "alpha_dropout", "alpha_dropout_",
          "feature_alpha_dropout", "feature_alpha_dropout_", "native_dropout"}) {
      operators.emplace(c10::Symbol::aten(name), Inputs{1, 2});
    }
    operators.emplace(c10::Symbol::aten("scaled_dot_product_attention"), Inputs{4, std::nullopt});
    return operators;
  }();
  const auto it = kOperators.find(node->kind());
  return it == kOperators.end() ? std::nullopt : std::optional(it->second);
}

bool is_any(const Node* node, const Kinds& kinds) { return kinds.contains(node->kind()); }

// Operators that hand on their first input's elements.
bool is_view(const Node* node) {
  static const Kinds kViews{c10::aten::to, c10::aten::type_as, c10::aten::contiguous};
  return is_any(node, kViews);
}

bool is_normalised(const Value* sum) {
  return std::any_of(sum->uses().begin(), sum->uses().end(), [](const torch::jit::Use& use) {
    return use.user->kind() == c10::aten::layer_norm && use.offset == 0;
  });
}

bool is_sum(const Node* node) {
  static const Kinds kSums{c10::aten::add, c10::aten::add_};
  return is_any(node, kSums);
}

bool is_probabilities(const Value* value) {
  while (is_view(value->node())) value = value->node()->input(0);
  return value->node()->kind() == c10::aten::softmax;
}

bool multiplies_values(const Value* probabilities) {
  static const Kinds kProducts{c10::aten::matmul, c10::aten::bmm};
  return std::any_of(probabilities->uses().begin(), probabilities->uses().end(),
                     [](const torch::jit::Use& use) {
                       if (is_view(use.user)) return multiplies_values(use.user->output());
                       return is_any(use.user, kProducts) && use.offset == 0;
                     });
}

bool is_sum_of_embeddings(const Value* value) {
  const Node* node = value->node();
  if (is_sum(node)) return is_sum_of_embeddings(node->input(0)) || is_sum_of_embeddings(node->input(1));
  return node->kind() == c10::aten::embedding;
}

// Whether BERT drops elements of the node's output.
bool has_attention_place(const Node* node) {
  return node->kind() == c10::aten::softmax && multiplies_values(node->output());
}

bool has_hidden_place(const Node* node) {
  static const Kinds kLinears{c10::aten::linear, c10::Symbol::fromQualString("prune2to4::linear")};
  if (node->kind() == c10::aten::layer_norm) return is_sum_of_embeddings(node->input(0));
  if (!is_any(node, kLinears)) return false;
  const auto& uses = node->output()->uses();
  return std::any_of(uses.begin(), uses.end(), [](const torch::jit::Use& use) {
    return is_sum(use.user) && is_normalised(use.user->output());
  });
}

// A place, and the operator there; where the graph has none, the one whose output is to be dropped.
struct Place {
  Node* node;
  DropoutPlace description;
};

DropoutPlace recorded_place(const Node* node, const Inputs& inputs) {
  const bool attention = !inputs.train || is_probabilities(node->input(0));
  const auto p = torch::jit::constant_as<double>(node->input(inputs.p));
  return {attention ? "attention" : "hidden", p.value_or(0), 0};
}

std::vector<Place> find_places(Graph& graph) {
  std::vector<Place> recorded;
  std::vector<Place> absent;
  for_each_node(graph.block(), [&](Node* node) {
    if (const auto inputs = dropout_inputs(node)) recorded.push_back({node, recorded_place(node, *inputs)});
    if (has_attention_place(node)) absent.push_back({node, {"attention", 0, 0}});
    if (has_hidden_place(node)) absent.push_back({node, {"hidden", 0, 0}});
  });
  std::set<std::string> kinds;
  for (const Place& place : recorded) kinds.insert(place.description.kind);
  for (const Place& place : absent) {
    if (!kinds.contains(place.description.kind)) recorded.push_back(place);
  }
  return recorded;
}

void choose_p(std::vector<Place>& places, std::optional<double> dropout) {
  double largest = 0;
  for (const Place& place : places) largest = std::max(largest, place.description.recorded);
  if (largest == 0) largest = kUsualDropout;
  for (Place& place : places) {
    const double recorded = place.description.recorded;
    place.description.used = dropout.value_or(recorded > 0 ? recorded : largest);
  }
}

Value* constant(Graph& graph, const c10::IValue& value) {
  const torch::jit::WithInsertPoint at_front(*graph.block()->nodes().begin());
  return graph.insertConstant(value);
}

void insert_dropout(Graph& graph, Node* source, double p) {
  Value* output = source->output();
  Node* node = graph.create(c10::aten::dropout, {output, constant(graph, p), constant(graph, true)});
  node->insertAfter(source)->copyMetadata(source);
  node->output()->setType(output->type());
  output->replaceAllUsesAfterNodeWith(node, node->output());
}

void turn_on(Graph& graph, const Place& place) {
  const auto inputs = dropout_inputs(place.node);
  if (!inputs) return insert_dropout(graph, place.node, place.description.used);
  place.node->replaceInput(inputs->p, constant(graph, place.description.used));
  if (inputs->train) place.node->replaceInput(*inputs->train, constant(graph, true));
}

}  // namespace

std::vector<DropoutPlace> enable_dropout(torch::jit::Module& model, std::optional<double> dropout) {
  Graph& graph = *model.get_method("forward").graph();
  std::vector<Place> places = find_places(graph);
  choose_p(places, dropout);
  std::vector<DropoutPlace> descriptions;
  for (const Place& place : places) {
    if (dropout != 0.0) turn_on(graph, place);
    descriptions.push_back(place.description);
  }
  graph.lint();
  return descriptions;
}

}  // namespace prune2to4
