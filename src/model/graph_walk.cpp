// SPDX-License-Identifier: Apache-2.0
#include "model/graph_walk.h"

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

void collect_names(const torch::jit::Module& module, const std::string& prefix, std::set<Object*>& seen,
                   std::map<Attribute, std::string>& names) {
  Object* object = module._ivalue().get();
  if (!seen.insert(object).second) return;
  const auto type = module.type();
  for (size_t i = 0; i < type->numAttributes(); ++i) {
    const std::string& attribute = type->getAttributeName(i);
    const c10::IValue& slot = object->getSlot(i);
    if (slot.isTensor()) names.emplace(Attribute{object, attribute}, prefix + attribute);
    if (slot.isModule()) collect_names(slot.toModule(), prefix + attribute + ".", seen, names);
  }
}

}  // namespace

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

std::map<Attribute, std::string> tensor_names(const torch::jit::Module& root) {
  std::map<Attribute, std::string> names;
  std::set<Object*> seen;
  collect_names(root, "", seen, names);
  return names;
}

}  // namespace prune2to4
