// SPDX-License-Identifier: Apache-2.0
#include "model/findings.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <functional>
#include <set>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Value;

constexpr size_t kMostNames = 5;

// One way to hide a weight.
struct Hidden {
  int64_t calls = 0;
  std::string first;  // name of a tensor it reads; empty: not known
};

// What a call hides, and the mend; they follow "in 3 calls of forward (the first with 'a.weight') ".
const char* const kFastPath =
    "the fast path of torch.nn.TransformerEncoder (or MultiheadAttention) hides its linear layers; export "
    "the "
    "model anew with torch.jit.trace after torch.backends.mha.set_fastpath_enabled(False)";
const char* const kParametrize =
    "the weight is computed by torch.nn.utils.parametrize, and stays dense; before the export call "
    "torch.nn.utils.parametrize.remove_parametrizations(module, \"weight\") on each, or the sparsifier's "
    "squash_mask()";
const char* const kPrune =
    "the weight is computed as torch.nn.utils.prune does (weight_orig * weight_mask), and stays dense; "
    "before "
    "the export call torch.nn.utils.prune.remove(module, \"weight\") on each";
const char* const kWeightNorm =
    "the weight is computed by torch.nn.utils.weight_norm, and stays dense; before the export call "
    "torch.nn.utils.remove_weight_norm(module) on each";
const char* const kSpectralNorm =
    "the weight is computed by torch.nn.utils.spectral_norm, and stays dense; before the export call "
    "torch.nn.utils.remove_spectral_norm(module) on each";
const char* const kQuantized =
    "the weight is quantised (torch.ao.quantization), and stays dense; export the floating-point model, "
    "before "
    "prepare_qat() or convert()";
const char* const kConv1d =
    "the weight is [in, out], as in transformers' Conv1D (GPT-2), and stays dense; before the export put a "
    "torch.nn.Linear with the transposed weight in the place of each";
const char* const kOldLinear =
    "the weight is transposed first, as PyTorch before 1.8 traced torch.nn.Linear, and stays dense; export "
    "the "
    "model with a newer PyTorch";
const char* const kProduct =
    "the weight is multiplied by an operator that is not aten::linear, and stays dense; before the export "
    "put a "
    "torch.nn.Linear in the place of each";

// Names of the tensors that a weight is computed from, and the values that were visited on the way.
class WeightOrigin {
 public:
  WeightOrigin(const Module& module, const std::map<Attribute, std::string>& all_names)
      : module_(module), all_names_(all_names) {}

  void visit(const Value* value) {
    constexpr size_t kMost = 256;
    if (seen_.size() >= kMost || !seen_.insert(value).second) return;
    if (const auto attribute = read_attribute(value, module_)) {
      const auto name = all_names_.find(*attribute);
      if (name != all_names_.end()) names.insert(name->second);
      return;
    }
    for (const Value* input : value->node()->inputs()) visit(input);
  }

  std::set<std::string> names;

 private:
  const Module& module_;
  const std::map<Attribute, std::string>& all_names_;
  std::set<const Value*> seen_;
};

std::string name_with(const std::set<std::string>& names, const char* part) {
  const auto name = std::find_if(names.begin(), names.end(), [&](const std::string& each) {
    return each.find(part) != std::string::npos;
  });
  return name == names.end() ? "" : *name;
}

// Which of the sentences speaks of a weight that is computed from these tensors; null: none.
const char* reparametrization(const std::set<std::string>& names, std::string& first) {
  const auto has = [&](const char* part) {
    const std::string name = name_with(names, part);
    if (!name.empty()) first = name;
    return !name.empty();
  };
  if (has("parametrizations.")) return kParametrize;
  if (has("weight_mask")) return kPrune;
  if (has("weight_g")) return kWeightNorm;
  if (has("weight_u") || has("weight_orig")) return kSpectralNorm;
  return nullptr;
}

// What hides a linear layer in this node, and the first tensor that it reads; an empty sentence: nothing.
std::pair<std::string, std::string> hiding(const Node* node, const Module& module,
                                           const std::map<Attribute, std::string>& names) {
  static const std::set<std::string> kFast{"aten::_transformer_encoder_layer_fwd",
                                           "aten::_native_multi_head_attention",
                                           "aten::_transformer_decoder_only_layer_fwd"};
  const std::string kind = node->kind().toQualString();
  if (kFast.contains(kind)) return {kFastPath, ""};
  const bool addmm = kind == "aten::addmm";
  const bool linear = kind == "aten::linear";
  if (!linear && !addmm && kind != "aten::matmul" && kind != "aten::mm") return {};
  const Value* weight = node->input(addmm ? 2 : 1);
  const auto weight_kind = weight->node()->kind();
  const bool stored = read_attribute(weight, module) || weight_kind == c10::prim::Constant;
  if (linear ? stored : stored_sizes(weight, module).size() != 2) return {};
  WeightOrigin origin(module, names);
  origin.visit(weight);
  std::string first = origin.names.empty() ? "" : *origin.names.begin();
  if (linear) {
    if (const char* known = reparametrization(origin.names, first)) return {known, first};
    const std::string made_by = weight_kind.toUnqualString();
    if (weight_kind == c10::prim::Uninitialized) return {};
    if (made_by.find("fake_quant") != std::string::npos || made_by.starts_with("dequantize")) {
      return {kQuantized, first};
    }
    return {std::string("the weight is computed (") + weight_kind.toQualString() + "), and stays dense",
            first};
  }
  if (origin.names.empty()) return {};
  if (weight_kind == c10::aten::t) return {kOldLinear, first};
  return {addmm ? kConv1d : kProduct, first};
}

// A constant operand; none where it is computed or not there.
c10::IValue constant(const Node* node, size_t operand) {
  if (operand >= node->inputs().size()) return {};
  return torch::jit::toIValue(node->input(operand)).value_or(c10::IValue());
}

bool is_true(const Node* node, size_t operand) {
  const c10::IValue value = constant(node, operand);
  return value.isBool() && value.toBool();
}

bool is_above_zero(const c10::IValue& value) {
  return value.isDouble() ? value.toDouble() > 0 : value.isInt() && value.toInt() > 0;
}

bool drops(const Node* node) {
  static const std::set<std::string> kDropouts{"aten::dropout",        "aten::dropout_",
                                               "aten::alpha_dropout",  "aten::feature_dropout",
                                               "aten::native_dropout", "aten::feature_alpha_dropout"};
  const std::string kind = node->kind().toQualString();
  if (kDropouts.contains(kind)) return is_true(node, 2) && is_above_zero(constant(node, 1));
  return kind == "aten::scaled_dot_product_attention" && is_above_zero(constant(node, 4));
}

// Every function that `graph` calls, and those that they call.
void reach(Graph& graph, std::set<const torch::jit::Function*>& reached) {
  for_each_node(graph.block(), [&](Node* node) {
    if (node->kind() != c10::prim::CallMethod) return;
    const auto type = node->input(0)->type()->cast<c10::ClassType>();
    torch::jit::Function* function = type ? type->findMethod(node->s(c10::attr::name)) : nullptr;
    if (function == nullptr || !reached.insert(function).second) return;
    if (auto* called = torch::jit::tryToGraphFunction(*function)) reach(*called->graph(), reached);
  });
}

std::string count_of(int64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

std::vector<std::string> hidden_linears(const Graphs& graphs, const Module& module) {
  const auto names = tensor_names(module);
  std::map<std::string, Hidden> by_sentence;
  for (const auto& [method, graph] : graphs) {
    for_each_node(graph->block(), [&](Node* node) {
      const auto [sentence, first] = hiding(node, module, names);
      if (sentence.empty()) return;
      Hidden& hidden = by_sentence[sentence];
      ++hidden.calls;
      if (hidden.first.empty()) hidden.first = first;
    });
  }
  if (by_sentence.contains(kFastPath)) {  // in a scripted model it brings other ways with it
    std::erase_if(by_sentence, [](const auto& entry) { return entry.first != kFastPath; });
  }
  std::vector<std::string> sentences;
  for (const auto& [sentence, hidden] : by_sentence) {
    const std::string first = hidden.first.empty() ? "" : " (the first with '" + hidden.first + "')";
    sentences.push_back("in " + count_of(hidden.calls, "call") + " of forward" + first + " " + sentence);
  }
  return sentences;
}

int64_t constant_matrices(const Graphs& graphs) {
  int64_t count = 0;
  for (const auto& [method, graph] : graphs) {
    for_each_node(graph->block(), [&](Node* node) {
      const bool product = node->kind() == c10::aten::linear || node->kind() == c10::aten::matmul ||
                           node->kind() == c10::aten::mm;
      if (!product && node->kind() != c10::aten::addmm) return;
      const auto held = torch::jit::toIValue(node->input(product ? 1 : 2));
      count += held && held->isTensor() && held->toTensor().defined() && held->toTensor().dim() == 2;
    });
  }
  return count;
}

std::vector<std::string> training_mode(const Graphs& graphs) {
  int64_t dropouts = 0;
  int64_t norms = 0;
  for (const auto& [method, graph] : graphs) {
    for_each_node(graph->block(), [&](Node* node) {
      dropouts += drops(node);
      norms += node->kind() == c10::aten::batch_norm && is_true(node, 5);
    });
  }
  std::vector<std::string> warnings;
  const std::string mend = "; was it traced in training mode? Call model.eval() before the export";
  if (dropouts > 0) {
    warnings.push_back("forward drops elements at random in " + count_of(dropouts, "place") +
                       ", so that its outputs change from run to run" + mend);
  }
  if (norms > 0) {
    warnings.push_back("forward takes the batch's own statistics in " + count_of(norms, "batch norm") + mend);
  }
  return warnings;
}

std::vector<std::string> lost_methods(const Module& module) {
  std::set<const torch::jit::Function*> reached;
  for (const torch::jit::Method& method : module.get_methods()) reach(*method.graph(), reached);
  std::vector<std::string> lost;
  for (const auto& inner : module.named_modules()) {
    for (const torch::jit::Method& method : inner.value.get_methods()) {
      const bool common = method.name() == "forward" || method.name().starts_with("__");
      if (inner.name.empty() || common || reached.contains(&method.function())) continue;
      lost.push_back(inner.name + "." + method.name());
    }
  }
  if (lost.empty()) return {};
  std::string names;
  for (size_t i = 0; i < std::min(lost.size(), kMostNames); ++i) names += (i > 0 ? ", " : "") + lost[i];
  if (lost.size() > kMostNames) names += " and " + std::to_string(lost.size() - kMostNames) + " more";
  return {count_of(static_cast<int64_t>(lost.size()), "method") +
          " of sub-modules that forward does not call " + (lost.size() == 1 ? "is" : "are") +
          " not kept: " + names};
}

}  // namespace prune2to4
