// SPDX-License-Identifier: Apache-2.0
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <set>
#include <string_view>

#include "model/findings.h"
#include "prune2to4/error.h"
#include "prune2to4/graph_walk.h"
#include "prune2to4/model.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

[[noreturn]] void refuse(const std::string& message) { throw Error(ExitStatus::kModel, "model", message); }

// What the scan of the archive's text can miss: here each operator is known for what it is.
void check_operators(Graph& graph) {
  static const std::set<std::string_view> kNamespaces{"aten", "prim", "prune2to4"};
  static const std::set<std::string_view> kTouchFiles{"aten::save", "aten::from_file"};
  for_each_node(graph.block(), [](Node* node) {
    const std::string kind = node->kind().toQualString();
    if (kTouchFiles.contains(kind) || !kNamespaces.contains(node->kind().ns().toUnqualString())) {
      refuse("forward calls " + kind +
             ", which can touch files or is not PyTorch's own; pass --trust-model if you trust its source");
    }
  });
}

void check_inlined(Graph& graph, const std::string& method) {
  for_each_node(graph.block(), [&](Node* node) {
    const auto kind = node->kind();
    if (kind == c10::prim::CallMethod || kind == c10::prim::CallFunction || kind == c10::prim::fork ||
        kind == c10::prim::ModuleContainerIndex) {
      refuse(method + " has a " + kind.toQualString() +
             " that cannot be inlined (an interface, a fork or an indexed container); export the model with "
             "torch.jit.trace");
    }
  });
}

void check_hooks(const torch::jit::Module& module) {
  for (const torch::jit::Module& inner : module.modules()) {
    if (!inner.type()->getForwardHooks().empty() || !inner.type()->getForwardPreHooks().empty()) {
      refuse("a module has forward hooks; export the model without them");
    }
  }
}

std::shared_ptr<Graph> inlined_graph(const torch::jit::Method& method) {
  auto graph = method.graph()->copy();
  torch::jit::Inline(*graph);
  torch::jit::EliminateDeadCode(graph);
  check_inlined(*graph, method.name());
  return graph;
}

// What `forward` does with each tensor attribute.
struct Uses {
  std::vector<Attribute> linears;           // read as the weight of aten::linear, in order of the calls
  std::map<Attribute, std::string> others;  // any other use: the operator
  int64_t packed_calls = 0;
};

void collect_uses(Graph& graph, const torch::jit::Module& root, Uses& uses) {
  std::set<Attribute> seen(uses.linears.begin(), uses.linears.end());
  for_each_node(graph.block(), [&](Node* node) {
    static const auto kPacked = c10::Symbol::fromQualString("prune2to4::linear");
    uses.packed_calls += node->kind() == kPacked;
    const bool linear = node->kind() == c10::aten::linear;
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      const Value* input = node->input(i);
      const auto attribute = read_attribute(input, root);
      if (attribute && linear && i == 1) {
        if (seen.insert(*attribute).second) uses.linears.push_back(*attribute);
      } else if (attribute) {
        // What computes with it says more than what asks for its device.
        std::string& other = uses.others[*attribute];
        if (other.empty() || other.starts_with("prim::")) other = node->kind().toQualString();
      }
    }
  });
}

std::string obstacle(const at::Tensor& weight, const Uses& uses, const Attribute& attribute) {
  const auto other = uses.others.find(attribute);
  if (other != uses.others.end()) return "forward also reads its weight in " + other->second;
  if (weight.dim() != 2) return "its weight has " + std::to_string(weight.dim()) + " dimensions";
  const at::ScalarType type = weight.scalar_type();
  if (!is_weight_type(type)) {
    return "its dtype is " + dtype_name(type) + "; float32, float16 and bfloat16 can be packed";
  }
  if (weight.size(1) % 4 != 0)
    return "its input width " + std::to_string(weight.size(1)) + " is not a multiple of 4";
  return "";
}

[[noreturn]] void refuse_without_linears(const Graphs& graphs, const std::vector<std::string>& hidden) {
  if (const int64_t constants = constant_matrices(graphs); constants > 0) {
    refuse("the model is frozen: its " + std::to_string(constants) +
           " linear weights are constants without names; save it without torch.jit.freeze or "
           "torch.jit.optimize_for_inference");
  }
  std::string message = "forward calls no linear layer (aten::linear) whose weight is a parameter";
  for (const std::string& sentence : hidden) message += "; " + sentence;
  refuse(message);
}

}  // namespace

std::string dtype_name(at::ScalarType type) { return c10::getDtypeNames(type).first; }

at::ScalarType floating_type(const torch::jit::Module& module) {
  for (const at::Tensor& parameter : module.parameters()) {
    if (parameter.is_floating_point()) return parameter.scalar_type();
  }
  return at::kFloat;
}

InlinedModel::InlinedModel(torch::jit::Module module, bool trust_model) : module_(std::move(module)) {
  check_hooks(module_);
  if (!module_.find_method("forward")) refuse("the archive has no forward method; export a whole model");
  Uses uses;
  for (const torch::jit::Method& method : module_.get_methods()) {
    auto graph = inlined_graph(method);
    if (!trust_model) check_operators(*graph);
    collect_uses(*graph, module_, uses);
    graphs_.emplace(method.name(), std::move(graph));
  }
  packed_calls_ = uses.packed_calls;
  hidden_linears_ = prune2to4::hidden_linears(graphs_, module_);
  if (uses.linears.empty() && packed_calls_ == 0) refuse_without_linears(graphs_, hidden_linears_);

  const auto names = tensor_names(module_);
  for (const Attribute& attribute : uses.linears) {
    const at::Tensor weight = attribute.first->getAttr(attribute.second).toTensor();
    weight_slots_.push_back(attribute);
    linears_.push_back({names.at(attribute),
                        weight,
                        obstacle(weight, uses, attribute),
                        uses.others.contains(attribute),
                        {}});
    for (const auto& [other, name] : names) {
      const at::Tensor tensor = other.first->getAttr(other.second).toTensor();
      if (other != attribute && tensor.is_alias_of(weight)) linears_.back().shares_with.push_back(name);
    }
  }
  for (const auto& sentences : {hidden_linears_, training_mode(graphs_), lost_methods(module_)}) {
    warnings_.insert(warnings_.end(), sentences.begin(), sentences.end());
  }
}

std::vector<std::string> InlinedModel::other_tensors() const {
  std::set<std::string_view> linear_names;
  for (const LinearLayer& linear : linears_) linear_names.insert(linear.name);
  std::vector<std::string> others;
  for (const auto& [attribute, name] : tensor_names(module_)) {
    if (!linear_names.contains(name)) others.push_back(name);
  }
  return others;
}

void InlinedModel::set_weight(size_t linear, const at::Tensor& weight) {
  const auto& [owner, attribute] = weight_slots_.at(linear);
  owner->setAttr(attribute, weight);
  linears_[linear].weight = weight;
}

void InlinedModel::to(at::ScalarType dtype) {
  std::map<std::pair<const void*, std::vector<int64_t>>, at::Tensor> converted;  // by memory and shape
  for (const auto& [attribute, name] : tensor_names(module_)) {
    const at::Tensor tensor = attribute.first->getAttr(attribute.second).toTensor();
    if (!tensor.is_floating_point() || tensor.scalar_type() == dtype) continue;
    at::Tensor& result = converted[{tensor.const_data_ptr(), tensor.sizes().vec()}];
    if (!result.defined()) result = tensor.detach().to(dtype).set_requires_grad(tensor.requires_grad());
    attribute.first->setAttr(attribute.second, result);
  }
  for (size_t i = 0; i < linears_.size(); ++i) {
    linears_[i].weight = weight_slots_[i].first->getAttr(weight_slots_[i].second).toTensor();
  }
}

}  // namespace prune2to4
