// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/packed_weight.h"

namespace prune2to4 {

// `forward` with every call of a sub-module inlined: a copy.
std::shared_ptr<torch::jit::Graph> inlined_forward(const torch::jit::Module& module);

// Every node, those of nested blocks (if, loop) included, in order. `visit` may destroy the node it is given.
void for_each_node(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& visit);

// An attribute of a module object, however many paths lead to the object.
using Attribute = std::pair<c10::ivalue::Object*, std::string>;

// The attribute that a chain of prim::GetAttr from the graph's first input reads; none for any other value.
std::optional<Attribute> read_attribute(const torch::jit::Value* value, const torch::jit::Module& root);

// The tensor that a parameter, a buffer or a constant of the graph holds; none for any other value.
std::optional<at::Tensor> stored_tensor(const torch::jit::Value* value, const torch::jit::Module& root);

// Sizes of such a tensor or of a packed weight, also behind casts and a transposition; empty: not known
// before the graph runs.
std::vector<int64_t> stored_sizes(const torch::jit::Value* value, const torch::jit::Module& root);

// The integers among the constants of the inlined `forward`, those in lists too.
std::set<int64_t> integer_constants(const torch::jit::Module& module);

// Fully qualified names of all tensor attributes, by the first path that leads to each.
std::map<Attribute, std::string> tensor_names(const torch::jit::Module& root);

// What `value` holds when it is a packed weight; else null.
c10::intrusive_ptr<PackedWeight> as_packed(const c10::IValue& value);

// The packed weights, by the names of the weights they replaced.
std::map<std::string, c10::intrusive_ptr<PackedWeight>> packed_weights(const torch::jit::Module& root);

}  // namespace prune2to4
