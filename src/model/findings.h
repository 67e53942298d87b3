// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

// What a model's graphs hold that a user should know before it is pruned: sentences, each with the mend.
namespace prune2to4 {

using Graphs = std::map<std::string, std::shared_ptr<torch::jit::Graph>>;  // by method, inlined

// Weights of linear layers that forward multiplies with, but not by aten::linear or not as they are stored:
// PyTorch's fast path, parametrizations, torch.nn.utils.prune, transformers' Conv1D, plain products.
std::vector<std::string> hidden_linears(const Graphs& graphs, const torch::jit::Module& module);

// Products with a matrix that is a constant of the graph, as torch.jit.freeze makes them.
int64_t constant_matrices(const Graphs& graphs);

// Dropout and batch norms that are in training mode whatever the module's mode is.
std::vector<std::string> training_mode(const Graphs& graphs);

// Methods of sub-modules that no method of the module itself calls: a rewritten model does not have them.
std::vector<std::string> lost_methods(const torch::jit::Module& module);

}  // namespace prune2to4
