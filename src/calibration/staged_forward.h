// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {

// `forward`, cut in front of chosen calls of aten::linear and run stage by stage: what comes before a call
// runs once, and weights that are replaced between two stages are those that the next stage reads.
class StagedForward {
 public:
  // What a stage left for the next ones; it belongs to one batch.
  using State = std::vector<c10::IValue>;

  // Stage i ends in front of the call of `weights[i]`. None when there are such calls in a nested block (if,
  // loop), or other than one for each weight, in this order. `model` is one inlined graph
  // (InlinedModel::rewrite), and must live as long.
  static std::optional<StagedForward> cut(const torch::jit::Module& model,
                                          const std::vector<std::string>& weights);

  // `inputs`: what forward_inputs() gives.
  State begin(std::vector<c10::IValue> inputs) const;
  // Runs the stages in order: takes what the one before left, puts there what the next one needs, and returns
  // the input of its weight's call.
  at::Tensor run(size_t stage, State& state) const;

 private:
  using Nodes = std::vector<torch::jit::Node*>;

  explicit StagedForward(torch::jit::Module model) : model_(std::move(model)) {}
  void add_stage(const Nodes& nodes, size_t first, const std::vector<size_t>& cuts, size_t stage,
                 std::vector<torch::jit::Value*>& alive);

  torch::jit::Module model_;
  std::vector<torch::jit::Code> stages_;
};

}  // namespace prune2to4
