// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <vector>

#include "model/input_facts.h"
#include "model/input_spec.h"

namespace prune2to4 {

// Batch and length that the model was traced with, 0 where the examples do not show one.
OpenSizes traced_sizes(const std::vector<std::optional<ExampleTensor>>& examples);

// Whether the likeliest shape of an input has such a dimension.
bool uses_extent(const std::vector<InputSpec>& inputs, Extent::Kind kind);

// Sizes worth trying, the likeliest first: small ones, which cost least, those of the trace (0: not known),
// those that the graph's constants and the weights' shapes suggest. `facts`: one for each input.
std::vector<OpenSizes> candidate_sizes(const torch::jit::Module& module, torch::jit::Graph& graph,
                                       const std::vector<InputSpec>& inputs,
                                       const std::vector<InputFacts>& facts, const OpenSizes& traced);

}  // namespace prune2to4
