// SPDX-License-Identifier: Apache-2.0
#include "model/input_facts.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "model/input_flow.h"
#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Use;
using torch::jit::Value;
using Sizes = std::vector<int64_t>;
using Operators = std::set<std::string_view>;

const Operators kComparisons{"eq", "ne", "lt", "gt", "le", "ge"};
// Take one dimension, as their second operand.
const Operators kNameDimension{"size", "select",  "softmax", "log_softmax",  "slice", "cumsum", "sum",
                               "mean", "squeeze", "narrow",  "index_select", "chunk", "split"};

bool is_true(const Value* value) {
  const auto held = torch::jit::toIValue(value);
  return held && held->isBool() && held->toBool();
}

// Columns of a weight that is stored, or a part of its rows, or computed from one element by element; 0: not
// known.
int64_t columns_of(const Value* weight, const Module& module, int depth = 0) {
  constexpr int kDeepest = 6;
  const Sizes sizes = stored_sizes(weight, module);
  if (sizes.size() == 2) return sizes[1];
  if (depth == kDeepest || weight->node()->inputs().empty()) return 0;
  static const Operators kKeepColumns{"split", "split_with_sizes", "chunk", "slice", "narrow", "mul", "add",
                                      "sub"};
  const Node* node = weight->node();
  const bool keeps = node->kind() == c10::prim::ListUnpack || kKeepColumns.contains(operator_name(node));
  return keeps ? columns_of(node->input(0), module, depth + 1) : 0;
}

// Walks from one input to all its uses.
class InputWalk {
 public:
  InputWalk(const Module& module, InputFacts& facts) : module_(module), facts_(facts) {}

  void follow(Flow flow) {
    if (!seen_.insert(flow.value).second) return;
    for (const Use& use : flow.value->uses()) step(flow, use.user, use.offset);
  }

 private:
  Sizes sizes(const Node* node, size_t input) const {
    return input < node->inputs().size() ? stored_sizes(node->input(input), module_) : Sizes{};
  }

  void step(const Flow& flow, const Node* node, size_t operand) {
    if (node->kind() == c10::prim::Return) return leave_block(flow, node, operand);
    if (node->kind() == c10::prim::ListConstruct) return step_list(flow, node, operand);
    const std::string_view name = operator_name(node);
    if (name.empty()) return;
    learn_index(flow, node, name, operand);
    learn_condition(flow, name, operand);
    if (operand == 0) {
      learn_product(flow, node, name);
      learn_norm(flow, node, name);
      learn_dimensions(flow, node, name);
    }
    advance(flow, node, name, operand);
  }

  void leave_block(Flow flow, const Node* node, size_t operand) {
    const Node* owner = node->owningBlock()->owningNode();
    if (owner == nullptr) return;
    const size_t output = owner->kind() == c10::prim::Loop ? operand - 1 : operand;
    if (operand == 0 && owner->kind() == c10::prim::Loop) return;
    flow.value = owner->output(output);
    follow(flow);
  }

  void step_list(const Flow& flow, const Node* list, size_t operand) {
    for (const Use& use : list->output()->uses()) {
      const std::string_view name = operator_name(use.user);
      if (name == "index" && use.offset == 1) {
        index_into(flow, sizes(use.user, 0), static_cast<int64_t>(operand));
      } else if (name == "cat" || name == "stack") {
        Flow next = flow;
        next.value = use.user->output();
        next.last = next.ordered = next.swapped = false;
        next.shift += name == "stack";
        follow(next);
      }
    }
  }

  void index_into(const Flow& flow, const Sizes& table, int64_t dimension) {
    if (!flow.values) return;
    facts_.index = true;
    if (dimension < 0) dimension += static_cast<int64_t>(table.size());
    if (dimension < 0 || dimension >= static_cast<int64_t>(table.size())) return;
    const int64_t rows = std::max<int64_t>(1, table[static_cast<size_t>(dimension)] - flow.offset);
    facts_.bound = facts_.bound == 0 ? rows : std::min(facts_.bound, rows);
  }

  void learn_index(const Flow& flow, const Node* node, std::string_view name, size_t operand) {
    if ((name == "embedding" || name == "embedding_bag") && operand == 1) {
      index_into(flow, sizes(node, 0), 0);
    } else if (name == "embedding_bag" && operand == 2 && flow.values) {
      facts_.index = true;  // where each bag begins: 0 is always allowed
      facts_.bound = 1;
      facts_.rank = 1;
    } else if ((name == "index_select" || name == "gather") && operand == 2) {
      index_into(flow, sizes(node, 0), integer_operand(node, 1).value_or(0));
    } else if (name == "one_hot" && operand == 0 && flow.values) {
      index_into(flow, {integer_operand(node, 1).value_or(0)}, 0);
    }
  }

  void learn_condition(const Flow& flow, std::string_view name, size_t operand) {
    const bool masks = (name == "masked_fill" || name == "masked_fill_") && operand == 1;
    if ((masks || (name == "where" && operand == 0)) && flow.values) facts_.condition = true;
    if (kComparisons.contains(name) && flow.values) facts_.compared = true;
  }

  void set_rank(const Flow& flow, int64_t rank) {
    if (flow.ranked && rank > flow.shift) facts_.rank = rank - flow.shift;
  }

  void set_last(const Flow& flow, int64_t size) {
    if (flow.own) facts_.floating = true;
    if (flow.last) {
      set_trailing(0, size);
    } else if (flow.swapped) {
      facts_.rank = 3;
      facts_.channels = size;
    } else if (flow.flattened && facts_.features == 0) {
      facts_.features = size;
    }
  }

  void set_trailing(size_t from_last, int64_t size) {
    if (facts_.trailing.size() <= from_last) facts_.trailing.resize(from_last + 1);
    if (facts_.trailing[from_last] == 0) facts_.trailing[from_last] = size;
  }

  void learn_product(const Flow& flow, const Node* node, std::string_view name) {
    if (name == "linear" || name == "matmul" || name == "mm") {
      const Sizes weight = sizes(node, 1);
      const int64_t columns = name == "linear" ? columns_of(node->input(1), module_) : 0;
      if (columns > 0) set_last(flow, columns);
      if (weight.size() == 2 && name != "linear") set_last(flow, weight[0]);
      if (name == "mm") set_rank(flow, 2);
    } else if (name.starts_with("conv") || name == "_convolution") {
      learn_convolution(flow, node, sizes(node, 1));
    } else if (name == "lstm" || name == "gru" || name == "rnn_tanh" || name == "rnn_relu") {
      const Node* parameters = node->input(2)->node();
      const Sizes weight = parameters->inputs().empty() ? Sizes{} : sizes(parameters, 0);
      if (weight.size() == 2) set_last(flow, weight[1]);
      set_rank(flow, 3);
    }
  }

  void learn_convolution(const Flow& flow, const Node* node, const Sizes& weight) {
    if (weight.size() < 3 || !flow.own) return;
    facts_.floating = true;
    set_rank(flow, static_cast<int64_t>(weight.size()));
    if (!flow.ordered || flow.shift != 0 || facts_.channels > 0) return;
    const std::string_view name = operator_name(node);
    const bool transposed =
        name.starts_with("conv_transpose") || (name == "_convolution" && is_true(node->input(6)));
    const size_t groups = name == "_convolution" ? 8 : 6;
    facts_.channels = transposed ? weight[0] : weight[1] * integer_operand(node, groups).value_or(1);
    const auto strides = constant_integers(node, 3);
    if (strides && !strides->empty()) facts_.stride = std::max<int64_t>(1, strides->back());
  }

  void learn_norm(const Flow& flow, const Node* node, std::string_view name) {
    if (name == "batch_norm" || name == "instance_norm" || name == "group_norm") {
      const Sizes weight = sizes(node, name == "group_norm" ? 2 : 1);
      if (flow.own) facts_.floating = true;
      if (!flow.ordered || flow.shift != 0) return;
      facts_.min_rank = std::max<int64_t>(facts_.min_rank, 2);
      if (!weight.empty() && facts_.channels == 0) facts_.channels = weight[0];
    } else if (name == "layer_norm" || name == "rms_norm") {
      const auto shape = constant_integers(node, 1);
      if (flow.own) facts_.floating = true;
      if (!shape || !flow.last) return;
      const size_t known = flow.ordered && flow.shift == 0 ? shape->size() : 1;
      for (size_t i = 0; i < std::min(known, shape->size()); ++i) {
        set_trailing(i, (*shape)[shape->size() - 1 - i]);
      }
      facts_.min_rank = std::max(facts_.min_rank, static_cast<int64_t>(shape->size()) - flow.shift);
    }
  }

  void see_dimension(const Flow& flow, std::optional<int64_t> dimension) {
    if (!dimension || !flow.ranked) return;
    const int64_t rank = *dimension < 0 ? -*dimension : *dimension + 1;
    facts_.min_rank = std::max(facts_.min_rank, rank - flow.shift);
  }

  void learn_dimensions(const Flow& flow, const Node* node, std::string_view name) {
    if (kNameDimension.contains(name)) see_dimension(flow, integer_operand(node, 1));
    if (name == "transpose") {
      see_dimension(flow, integer_operand(node, 1));
      see_dimension(flow, integer_operand(node, 2));
    } else if (name == "permute") {
      const auto order = constant_integers(node, 1);
      if (order) set_rank(flow, static_cast<int64_t>(order->size()));
    } else if (name == "t" || name == "adaptive_avg_pool1d") {
      set_rank(flow, name == "t" ? 2 : 3);
    } else if (name == "bmm" || name == "baddbmm") {
      set_rank(flow, 3);
    } else if (name == "max_pool2d" || name == "avg_pool2d" || name == "adaptive_avg_pool2d") {
      set_rank(flow, 4);
    }
  }

  // What the other operand of a sum or product says about the shape, and about the values. One that is
  // computed may be larger: then the shape is no longer the input's.
  void learn_operand(const Node* node, size_t operand, Flow& flow) {
    const Value* value = node->input(1 - operand);
    if (!stored_tensor(value, module_) && value->type()->isSubtypeOf(*c10::TensorType::get())) {
      flow.own = flow.last = flow.ordered = flow.swapped = flow.ranked = false;
      return;
    }
    const Sizes other = sizes(node, 1 - operand);
    for (size_t i = 0; i < other.size(); ++i) {
      const int64_t size = other[other.size() - 1 - i];
      const bool same = i == 0 ? flow.last : flow.ordered && flow.shift == 0;
      if (same && size > 1) set_trailing(i, size);
    }
    if (operator_name(node) != "add") return;
    const auto number = integer_operand(node, 1);
    const auto added = stored_tensor(node->input(1 - operand), module_);
    if (operand == 0 && number) flow.offset += std::max<int64_t>(0, *number);
    if (added && added->numel() > 0 && c10::isIntegralType(added->scalar_type(), false)) {
      flow.offset += std::max<int64_t>(0, added->max().item<int64_t>());
    }
  }

  void advance(Flow flow, const Node* node, std::string_view name, size_t operand) {
    const bool sum = name == "add" || name == "mul" || name == "sub" || name == "div";
    if (sum && operand < 2) {
      learn_operand(node, operand, flow);
    } else if (name == "where" && operand > 0) {
      flow.value = node->output();
      return follow(flow);
    } else if (name == "addmm" && operand == 1) {
      const Sizes weight = sizes(node, 2);
      if (weight.size() == 2) set_last(flow, weight[0]);
      return set_rank(flow, 2);
    } else if (operand != 0) {
      return;
    }
    if (const auto next = advanced(flow, node)) follow(*next);
  }

  const Module& module_;
  InputFacts& facts_;
  std::set<const Value*> seen_;
};

}  // namespace

std::vector<InputFacts> input_facts(const Graph& graph, const Module& module) {
  std::vector<InputFacts> all;
  for (size_t i = 1; i < graph.inputs().size(); ++i) {
    InputFacts& facts = all.emplace_back();
    Flow flow;
    flow.value = graph.inputs()[i];
    InputWalk(module, facts).follow(flow);
  }
  return all;
}

}  // namespace prune2to4
