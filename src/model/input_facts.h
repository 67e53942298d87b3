// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <vector>

namespace prune2to4 {

// What a graph does with one of its inputs, and so what that input has to be. 0: not known.
struct InputFacts {
  bool index = false;             // it indexes a table: integers
  int64_t bound = 0;              // rows of the smallest table that its values index
  bool condition = false;         // masked_fill's or where's: booleans
  bool compared = false;          // with a number, as a mask of ones and zeros is
  bool floating = false;          // a linear, a convolution or a norm computes with it
  int64_t rank = 0;               // number of dimensions
  int64_t min_rank = 0;           // at least
  std::vector<int64_t> trailing;  // sizes of the last dimensions, the last one first
  int64_t channels = 0;           // size of dimension 1
  int64_t features = 0;           // elements behind dimension 0, where a linear reads them flattened
  int64_t stride = 1;             // of the first convolution
};

// One for each input of `graph` but the module itself. `graph` is `forward` of `module`, inlined. Follows
// each input through what keeps its values (for the tables they index) or its shape (for the weights that
// they are multiplied with).
std::vector<InputFacts> input_facts(const torch::jit::Graph& graph, const torch::jit::Module& module);

}  // namespace prune2to4
