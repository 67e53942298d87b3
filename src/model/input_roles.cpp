// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/input_roles.h"

#include <ATen/ops/arange.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <map>
#include <set>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

using torch::jit::Node;
using torch::jit::Value;

constexpr size_t kTable = 0;  // of aten::embedding(weight, indices, padding_idx, ...)
constexpr size_t kIndices = 1;
constexpr size_t kPadding = 2;

// Operators whose result holds the ids of their first input, in another shape, dtype or place.
bool keeps_ids(const Node* node) {
  static const std::set<std::string_view> kNames{"aten::to",      "aten::long",
                                                 "aten::int",     "aten::contiguous",
                                                 "aten::view",    "aten::reshape",
                                                 "aten::expand",  "aten::expand_as",
                                                 "aten::slice",   "aten::unsqueeze",
                                                 "aten::squeeze", "aten::clone",
                                                 "aten::detach",  "aten::type_as",
                                                 "aten::flatten", "prim::unchecked_cast",
                                                 "aten::alias",   "aten::_unwrap_optional",
                                                 "aten::select"};
  return kNames.contains(node->kind().toQualString());
}

// Collects each aten::embedding that the ids in a value index, and tells whether more of the value is used
// than its shape.
class Follower {
 public:
  explicit Follower(std::vector<Node*>& embeddings) : embeddings_(embeddings) {}

  void follow(const Value* value) {
    if (!seen_.insert(value).second) return;
    for (const torch::jit::Use& use : value->uses()) follow(use);
  }
  bool is_used() const { return is_used_; }

 private:
  void follow(const torch::jit::Use& use) {
    Node* node = use.user;
    if (node->kind() == c10::aten::embedding && use.offset == kIndices) {
      embeddings_.push_back(node);
      is_used_ = true;
    } else if (keeps_ids(node) && use.offset == 0) {
      follow(node->output());
    } else if (node->kind() == c10::prim::Return && node->owningBlock()->owningNode() != nullptr) {
      follow(node->owningBlock()->owningNode()->output(use.offset));  // of prim::If
    } else if (node->kind() != c10::aten::size && node->kind() != c10::prim::device &&
               node->kind() != c10::prim::dtype && node->kind() != c10::aten::__is__ &&
               node->kind() != c10::aten::__isnot__) {
      is_used_ = true;
    }
  }

  std::vector<Node*>& embeddings_;
  std::set<const Value*> seen_;
  bool is_used_ = false;
};

std::optional<InputRole> role_of_table(const std::string& name) {
  if (name.ends_with("word_embeddings.weight")) return InputRole::kInputIds;
  if (name.ends_with("token_type_embeddings.weight")) return InputRole::kTokenTypeIds;
  if (name.ends_with("position_embeddings.weight")) return InputRole::kPositionIds;
  return std::nullopt;
}

std::optional<InputRole> role_of_name(const std::string& name) {
  const auto is = [&](const char* what) { return name.find(what) != std::string::npos; };
  if (is("token_type_ids")) return InputRole::kTokenTypeIds;
  if (is("position_ids")) return InputRole::kPositionIds;
  if (is("attention_mask")) return InputRole::kAttentionMask;
  return is("ids") ? std::optional(InputRole::kInputIds) : std::nullopt;
}

// Arguments with a default are given only where a text has something to say.
bool is_worth_giving(InputRole role) {
  return role == InputRole::kAttentionMask || role == InputRole::kTokenTypeIds;
}

class Finder {
 public:
  explicit Finder(const torch::jit::Module& module)
      : module_(module), graph_(inlined_forward(module)), names_(tensor_names(module)) {
    torch::jit::EliminateDeadCode(graph_);
  }

  std::optional<InputRoles> find(std::string& reason) {
    read_first_position();
    const auto& arguments = module_.get_method("forward").function().getSchema().arguments();
    for (size_t i = 1; i < arguments.size(); ++i) {
      const bool has_default = arguments[i].default_value().has_value();
      auto role = has_default ? role_of_name(arguments[i].name()) : role_of(i, arguments[i].name());
      if (has_default && (!role || !is_worth_giving(*role))) role = InputRole::kDefault;
      if (!role) {
        reason = "forward's argument '" + arguments[i].name() +
                 "' indexes no embedding of words, token types or positions and is no attention mask";
        return std::nullopt;
      }
      result_.roles.push_back(*role);
    }
    while (!result_.roles.empty() && result_.roles.back() == InputRole::kDefault) result_.roles.pop_back();
    return settled(arguments, reason);
  }

 private:
  // By the embedding that it indexes, where that has a name that is known, else by its own name; else what
  // indexes an embedding are words' ids, and what indexes none is a mask.
  std::optional<InputRole> role_of(size_t argument, const std::string& name) {
    std::vector<Node*> embeddings;
    Follower follower(embeddings);
    follower.follow(graph_->inputs()[argument]);
    for (const Node* embedding : embeddings) {
      const auto table = read_attribute(embedding->input(kTable), module_);
      if (const auto role = table ? role_of_table(names_.at(*table)) : std::nullopt) return role;
    }
    if (const auto role = role_of_name(name)) return role;
    if (!is_tensor(argument) || !follower.is_used()) return std::nullopt;
    return embeddings.empty() ? InputRole::kAttentionMask : InputRole::kInputIds;
  }

  bool is_tensor(size_t argument) const {
    return graph_->inputs()[argument]->type()->kind() == c10::TypeKind::TensorType;
  }

  // No two arguments may play one part, and one must be the ids.
  std::optional<InputRoles> settled(const std::vector<c10::Argument>& arguments, std::string& reason) const {
    std::map<InputRole, std::string> players;
    for (size_t i = 0; i < result_.roles.size(); ++i) {
      if (result_.roles[i] == InputRole::kDefault) continue;
      const auto [player, added] = players.emplace(result_.roles[i], arguments[i + 1].name());
      if (added) continue;
      reason = "forward's arguments '" + player->second + "' and '" + arguments[i + 1].name() +
               "' are used alike: which of them is what?";
      return std::nullopt;
    }
    if (players.contains(InputRole::kInputIds)) return result_;
    reason = "none of forward's arguments indexes a word embedding";
    return std::nullopt;
  }

  void read_first_position() {
    for_each_node(graph_->block(), [&](Node* node) {
      if (node->kind() != c10::aten::embedding) return;
      const auto table = read_attribute(node->input(kTable), module_);
      if (!table || role_of_table(names_.at(*table)) != InputRole::kPositionIds) return;
      const auto padding = torch::jit::constant_as<int64_t>(node->input(kPadding));
      if (padding && *padding >= 0) result_.first_position = *padding + 1;
    });
  }

  const torch::jit::Module& module_;
  std::shared_ptr<torch::jit::Graph> graph_;
  std::map<Attribute, std::string> names_;
  InputRoles result_;
};

at::Tensor input_of(InputRole role, const InputRoles& roles, const TextBatch& batch) {
  switch (role) {
    case InputRole::kInputIds:
      return batch.input_ids;
    case InputRole::kAttentionMask:
      return batch.attention_mask;
    case InputRole::kTokenTypeIds:
      return batch.token_type_ids;
    default:
      break;
  }
  const int64_t first = roles.first_position;
  return at::arange(first, first + batch.input_ids.size(1), at::kLong)
      .expand(batch.input_ids.sizes())
      .contiguous();
}

}  // namespace

bool InputRoles::has(InputRole role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

std::optional<InputRoles> input_roles(const torch::jit::Module& module, std::string& reason) {
  return Finder(module).find(reason);
}

std::vector<c10::IValue> forward_inputs(const torch::jit::Module& module, const InputRoles& roles,
                                        const TextBatch& batch, at::Device device) {
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  std::vector<c10::IValue> inputs;
  for (size_t i = 0; i < roles.roles.size(); ++i) {
    const InputRole role = roles.roles[i];
    if (role == InputRole::kDefault) {
      inputs.push_back(*arguments[i + 1].default_value());
    } else {
      inputs.emplace_back(input_of(role, roles, batch).to(device));
    }
  }
  return inputs;
}

}  // namespace prune2to4
