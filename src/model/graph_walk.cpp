// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/graph_walk.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <set>

namespace prune2to4 {
namespace {

using c10::ivalue::Object;

Object* read_object(const torch::jit::Value* value, const torch::jit::Module& root) {
  const torch::jit::Node* node = value->node();
  if (value == node->owningGraph()->inputs()[0]) return root._ivalue().get();
  if (node->kind() != c10::prim::GetAttr) return nullptr;
  Object* owner = read_object(node->input(), root);
  if (owner == nullptr) return nullptr;
  const c10::IValue attribute = owner->getAttr(node->s(c10::attr::name));
  return attribute.isObject() ? attribute.toObject().get() : nullptr;
}

using Visit = std::function<void(const Attribute&, const std::string& name, const c10::IValue& value)>;

// Every attribute that is no module.
void visit_attributes(const torch::jit::Module& module, const std::string& prefix, std::set<Object*>& seen,
                      const Visit& visit) {
  Object* object = module._ivalue().get();
  if (!seen.insert(object).second) return;
  const auto type = module.type();
  for (size_t i = 0; i < type->numAttributes(); ++i) {
    const std::string& attribute = type->getAttributeName(i);
    const c10::IValue& slot = object->getSlot(i);
    if (slot.isModule()) {
      visit_attributes(slot.toModule(), prefix + attribute + ".", seen, visit);
    } else {
      visit({object, attribute}, prefix + attribute, slot);
    }
  }
}

}  // namespace

std::shared_ptr<torch::jit::Graph> inlined_forward(const torch::jit::Module& module) {
  auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  return graph;
}

void for_each_node(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& visit) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    torch::jit::Node* node = *it++;
    for (torch::jit::Block* inner : node->blocks()) for_each_node(inner, visit);
    visit(node);
  }
}

std::optional<Attribute> read_attribute(const torch::jit::Value* value, const torch::jit::Module& root) {
  if (value->node()->kind() != c10::prim::GetAttr) return std::nullopt;
  Object* owner = read_object(value->node()->input(), root);
  if (owner == nullptr) return std::nullopt;
  return Attribute{owner, value->node()->s(c10::attr::name)};
}

std::optional<at::Tensor> stored_tensor(const torch::jit::Value* value, const torch::jit::Module& root) {
  c10::IValue held;
  if (const auto attribute = read_attribute(value, root)) {
    held = attribute->first->getAttr(attribute->second);
  } else if (const auto constant = torch::jit::toIValue(value)) {
    held = *constant;
  }
  return held.isTensor() && held.toTensor().defined() ? std::optional(held.toTensor()) : std::nullopt;
}

std::vector<int64_t> stored_sizes(const torch::jit::Value* value, const torch::jit::Module& root) {
  if (const auto tensor = stored_tensor(value, root)) return tensor->sizes().vec();
  if (const auto attribute = read_attribute(value, root)) {
    const auto packed = as_packed(attribute->first->getAttr(attribute->second));
    if (packed) return {packed->rows(), packed->cols()};
  }
  static const std::set<c10::Symbol> kSame{c10::aten::to, c10::aten::detach, c10::aten::contiguous,
                                           c10::aten::alias, c10::aten::clone};
  const torch::jit::Node* node = value->node();
  const bool transposed = node->kind() == c10::aten::t || node->kind() == c10::aten::transpose;
  if (!transposed && !kSame.contains(node->kind())) return {};
  std::vector<int64_t> sizes = stored_sizes(node->input(0), root);
  if (transposed && sizes.size() > 2) return {};
  if (transposed && sizes.size() == 2) std::swap(sizes[0], sizes[1]);
  return sizes;
}

std::map<Attribute, std::string> tensor_names(const torch::jit::Module& root) {
  std::map<Attribute, std::string> names;
  std::set<Object*> seen;
  visit_attributes(root, "", seen,
                   [&](const Attribute& attribute, const std::string& name, const c10::IValue& value) {
                     if (value.isTensor()) names.emplace(attribute, name);
                   });
  return names;
}

c10::intrusive_ptr<PackedWeight> as_packed(const c10::IValue& value) {
  static const auto kType = c10::getCustomClassType<c10::intrusive_ptr<PackedWeight>>();
  if (!value.isObject() || !value.type()->isSubtypeOf(*kType)) return {};
  return value.toCustomClass<PackedWeight>();
}

std::map<std::string, c10::intrusive_ptr<PackedWeight>> packed_weights(const torch::jit::Module& root) {
  std::map<std::string, c10::intrusive_ptr<PackedWeight>> weights;
  std::set<Object*> seen;
  visit_attributes(root, "", seen, [&](const Attribute&, const std::string& name, const c10::IValue& value) {
    if (auto packed = as_packed(value)) weights.emplace(name, std::move(packed));
  });
  return weights;
}

std::set<int64_t> integer_constants(const torch::jit::Module& module) {
  std::set<int64_t> constants;
  for_each_node(inlined_forward(module)->block(), [&](torch::jit::Node* node) {
    if (node->kind() != c10::prim::Constant) return;
    const auto value = torch::jit::toIValue(node->output());
    if (value && value->isInt()) constants.insert(value->toInt());
    if (value && value->isIntList()) {
      for (const int64_t each : value->toIntVector()) constants.insert(each);
    }
  });
  return constants;
}

}  // namespace prune2to4
