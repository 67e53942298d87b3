// SPDX-License-Identifier: Apache-2.0
#include "model/input_flow.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <vector>

namespace prune2to4 {
namespace {

using torch::jit::Node;
using Operators = std::set<std::string_view>;

// Give their first operand's shape; its values too, or values that index the same tables.
const Operators kSameValues{"to",      "type_as", "contiguous",  "clone",    "detach",       "alias",
                            "long",    "int",     "float",       "dropout",  "clamp",        "mul",
                            "add",     "add_",    "mul_",        "roll",     "flip",         "relu",
                            "abs",     "copy_",   "masked_fill", "dropout_", "masked_fill_", "minimum",
                            "maximum", "fmod",    "remainder"};
// Give their first operand's shape and other values.
const Operators kSameShape{"bool",
                           "sub",
                           "rsub",
                           "div",
                           "sub_",
                           "div_",
                           "gelu",
                           "tanh",
                           "sigmoid",
                           "silu",
                           "exp",
                           "log",
                           "sqrt",
                           "rsqrt",
                           "pow",
                           "neg",
                           "erf",
                           "softmax",
                           "log_softmax",
                           "layer_norm",
                           "batch_norm",
                           "group_norm",
                           "instance_norm",
                           "relu_",
                           "leaky_relu",
                           "elu",
                           "hardtanh",
                           "hardswish",
                           "logical_not",
                           "bitwise_not",
                           "logical_and",
                           "logical_or",
                           "__and__",
                           "__or__",
                           "bitwise_and",
                           "bitwise_or",
                           "eq",
                           "ne",
                           "lt",
                           "gt",
                           "le",
                           "ge",
                           "cumsum",
                           "floor",
                           "round",
                           "sin",
                           "cos",
                           "log1p",
                           "tanh_",
                           "sigmoid_",
                           "mish",
                           "softplus",
                           "rms_norm"};
// Give the same values in another shape.
const Operators kReshape{"view",   "reshape",      "flatten", "expand", "expand_as",
                         "repeat", "broadcast_to", "unfold",  "index",  "unflatten"};

// Whether the operator leaves the input's elements what they are.
bool keeps_values(std::string_view name) {
  static const Operators kMoves{"unsqueeze", "squeeze", "select", "slice",        "narrow",     "transpose",
                                "t",         "permute", "gather", "index_select", "bitwise_and"};
  return kSameValues.contains(name) || kMoves.contains(name) || kReshape.contains(name);
}

bool is_leading(std::optional<int64_t> dimension) {
  return dimension && (*dimension == 0 || *dimension == 1);
}

bool swaps_last_two(const Node* node) {
  const auto a = integer_operand(node, 1);
  const auto b = integer_operand(node, 2);
  return a && b && std::minmax(*a, *b) == std::minmax<int64_t>(1, 2);
}

void transpose(const Node* node, std::string_view name, Flow& flow) {
  const bool plain = flow.ordered && flow.shift == 0;
  const bool leading =
      name == "transpose" && is_leading(integer_operand(node, 1)) && is_leading(integer_operand(node, 2));
  const bool swaps = name == "transpose" && swaps_last_two(node);
  const bool back = flow.swapped && swaps;
  flow.swapped = plain && swaps;
  flow.last = back || (flow.last && leading);
  flow.ordered = false;
}

// sum(x, dims, keepdim) and mean: each dimension that is named goes.
void reduce(const Node* node, Flow& flow) {
  const auto dims = constant_integers(node, 1);
  const auto keeps = node->inputs().size() > 2 ? torch::jit::toIValue(node->input(2)) : std::nullopt;
  flow.ordered = false;
  if (!dims || node->inputs().size() < 3) {
    flow.last = flow.swapped = flow.ranked = false;
    return;
  }
  const bool kept = keeps && keeps->isBool() && keeps->toBool();
  if (!kept) flow.shift -= static_cast<int64_t>(dims->size());
  flow.last = flow.last && std::find(dims->begin(), dims->end(), -1) == dims->end();
}

// One of the leading dimensions is cut or chosen from; the last one stays.
void cut(const Node* node, std::string_view name, Flow& flow) {
  if (name == "squeeze" || name == "select") --flow.shift;
  flow.last = flow.last && is_leading(integer_operand(node, 1));
  flow.ordered = flow.swapped = false;
}

// Whether the operator gives the flow another shape that is worth following.
bool change_shape(const Node* node, std::string_view name, Flow& flow) {
  static const Operators kCuts{"squeeze", "select", "slice", "narrow", "gather", "index_select"};
  if (name == "unsqueeze") {
    const auto dimension = integer_operand(node, 1);
    ++flow.shift;
    flow.last = flow.last && dimension && *dimension != -1;
    flow.ordered = flow.swapped = false;
  } else if (kCuts.contains(name)) {
    cut(node, name, flow);
  } else if (name == "transpose" || name == "t") {
    transpose(node, name, flow);
  } else if (name == "sum" || name == "mean") {
    reduce(node, flow);
  } else if (name == "permute" || name == "linear") {
    flow.last = flow.ordered = flow.swapped = flow.flattened = false;
  } else if (kReshape.contains(name)) {
    flow.flattened = name == "flatten" || name == "view" || name == "reshape";
    flow.last = flow.ordered = flow.swapped = flow.ranked = false;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string_view operator_name(const Node* node) {
  static const auto kPacked = c10::Symbol::fromQualString("prune2to4::linear");
  if (node->kind() == kPacked) return "linear";
  return node->kind().is_aten() ? node->kind().toUnqualString() : "";
}

std::optional<int64_t> integer_operand(const Node* node, size_t operand) {
  if (operand >= node->inputs().size()) return std::nullopt;
  const auto value = torch::jit::toIValue(node->input(operand));
  return value && value->isInt() ? std::optional(value->toInt()) : std::nullopt;
}

std::optional<std::vector<int64_t>> constant_integers(const Node* node, size_t operand) {
  if (operand >= node->inputs().size()) return std::nullopt;
  const torch::jit::Value* list = node->input(operand);
  if (const auto value = torch::jit::toIValue(list); value && value->isIntList()) return value->toIntVector();
  if (list->node()->kind() != c10::prim::ListConstruct) return std::nullopt;
  std::vector<int64_t> integers;
  for (size_t i = 0; i < list->node()->inputs().size(); ++i) {
    const auto element = integer_operand(list->node(), i);
    if (!element) return std::nullopt;
    integers.push_back(*element);
  }
  return integers;
}

std::optional<Flow> advanced(Flow flow, const Node* node) {
  const std::string_view name = operator_name(node);
  if (node->outputs().size() != 1 || name.empty()) return std::nullopt;
  flow.value = node->output();
  flow.values = flow.values && keeps_values(name);
  const bool same_shape = kSameValues.contains(name) || kSameShape.contains(name);
  return same_shape || change_shape(node, name, flow) ? std::optional(flow) : std::nullopt;
}

}  // namespace prune2to4
