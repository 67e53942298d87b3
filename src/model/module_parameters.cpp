// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/module_parameters.h"

#include <algorithm>
#include <set>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

bool same_memory(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() && b.defined() && a.const_data_ptr() == b.const_data_ptr() && a.numel() == b.numel();
}

}  // namespace

std::vector<NamedTensor> forward_parameters(const torch::jit::Module& module) {
  std::set<Attribute> read;
  const auto graph = inlined_forward(module);
  for_each_node(graph->block(), [&](torch::jit::Node* node) {
    for (const torch::jit::Value* input : node->inputs()) {
      if (const auto attribute = read_attribute(input, module)) read.insert(*attribute);
    }
  });
  std::set<std::string> read_names;
  for (const auto& [attribute, name] : tensor_names(module)) {
    if (read.contains(attribute)) read_names.insert(name);
  }
  std::vector<NamedTensor> parameters;
  for (const auto& parameter : module.named_parameters()) {
    const at::Tensor& tensor = parameter.value;
    if (!read_names.contains(parameter.name) || !tensor.is_floating_point()) continue;
    const bool known = std::any_of(parameters.begin(), parameters.end(),
                                   [&](const NamedTensor& each) { return same_memory(each.tensor, tensor); });
    if (!known) parameters.push_back({parameter.name, tensor});
  }
  return parameters;
}

std::map<std::string, NamedTensor> linear_biases(const torch::jit::Module& module) {
  constexpr size_t kWeight = 1;
  constexpr size_t kBias = 2;
  std::map<Attribute, std::set<Attribute>> weights;  // that are read together with each bias
  std::set<Attribute> read_elsewhere;
  const auto graph = inlined_forward(module);
  for_each_node(graph->block(), [&](torch::jit::Node* node) {
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      const auto attribute = read_attribute(node->input(i), module);
      if (!attribute) continue;
      const auto weight = node->kind() == c10::aten::linear && i == kBias
                              ? read_attribute(node->input(kWeight), module)
                              : std::nullopt;
      if (weight) weights[*attribute].insert(*weight);
      if (!weight) read_elsewhere.insert(*attribute);
    }
  });
  const auto names = tensor_names(module);
  std::map<std::string, NamedTensor> biases;
  for (const auto& [bias, users] : weights) {
    const at::Tensor tensor = bias.first->getAttr(bias.second).toTensor();
    const auto shares = std::count_if(names.begin(), names.end(), [&](const auto& each) {
      return each.first.first->getAttr(each.first.second).toTensor().is_alias_of(tensor);
    });
    if (users.size() != 1 || shares != 1 || read_elsewhere.contains(bias)) continue;
    biases.emplace(names.at(*users.begin()), NamedTensor{names.at(bias), tensor});
  }
  return biases;
}

at::Tensor parameter_named(const torch::jit::Module& module, const std::string& name) {
  for (const auto& parameter : module.named_parameters()) {
    if (parameter.name == name) return parameter.value;
  }
  return {};
}

void set_parameters(torch::jit::Module& module, const std::vector<NamedTensor>& parameters) {
  const auto names = tensor_names(module);
  for (const NamedTensor& parameter : parameters) {
    at::Tensor old;
    for (const auto& [attribute, name] : names) {
      if (name == parameter.name) old = attribute.first->getAttr(attribute.second).toTensor();
    }
    for (const auto& [attribute, name] : names) {
      const at::Tensor tensor = attribute.first->getAttr(attribute.second).toTensor();
      if (same_memory(tensor, old)) attribute.first->setAttr(attribute.second, parameter.tensor);
    }
  }
}

void set_parameter(torch::jit::Module& module, const NamedTensor& parameter) {
  for (const auto& [attribute, name] : tensor_names(module)) {
    if (name == parameter.name) attribute.first->setAttr(attribute.second, parameter.tensor);
  }
}

}  // namespace prune2to4
