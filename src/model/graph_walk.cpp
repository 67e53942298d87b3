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

}  // namespace prune2to4
