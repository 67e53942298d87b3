// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace prune2to4 {

// A value of a graph on its way from one of the graph's inputs, and what it still has of that input.
struct Flow {
  const torch::jit::Value* value = nullptr;
  bool values = true;  // its elements are the input's, plus `offset`
  int64_t offset = 0;  // what constants added to them
  bool ranked = true;  // it has `shift` dimensions more than the input
  int64_t shift = 0;
  bool last = true;        // its last dimension is the input's
  bool swapped = false;    // or, where that is false, the input's dimension 1, of three
  bool ordered = true;     // its dimensions are the input's, in order
  bool own = true;         // nothing but constants and stored tensors was combined with it
  bool flattened = false;  // dimensions were joined, by view, reshape or flatten
};

// "linear" for aten::linear and prune2to4::linear, "add" for aten::add; empty for other namespaces.
std::string_view operator_name(const torch::jit::Node* node);

// An operand that is an integer constant.
std::optional<int64_t> integer_operand(const torch::jit::Node* node, size_t operand);

// Integers that are a constant, or a list of constants, as code that was loaded has them.
std::optional<std::vector<int64_t>> constant_integers(const torch::jit::Node* node, size_t operand);

// What `flow` is behind `node`, which reads it as its first operand; none where nothing of the input's values
// or shape is left.
std::optional<Flow> advanced(Flow flow, const torch::jit::Node* node);

}  // namespace prune2to4
