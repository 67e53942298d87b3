// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <vector>

namespace prune2to4 {

// Where forward drops elements at random while it trains.
struct DropoutPlace {
  std::string kind;     // "attention": of its probabilities; "hidden": of embeddings and layers' outputs
  double recorded = 0;  // p in the graph; 0 where it is computed, or where the graph has no dropout
  double used = 0;      // p from now on
};

// Turns dropout on in the one graph of InlinedModel::rewrite, before its first run: LibTorch keeps running
// what it ran once. A trace in eval mode records dropout as off, and that of attention often with p = 0.
// Where a graph has none at all of a kind, it is put where BERT has it: at the probabilities that are
// multiplied by the values; at the outputs of linears that are added and normalised, and at the normalised
// embeddings. p is `dropout`; without it what was recorded at the place, where that is 0 the largest recorded
// elsewhere, else 0.1. A `dropout` of 0 leaves the graph as it is.
std::vector<DropoutPlace> enable_dropout(torch::jit::Module& model, std::optional<double> dropout);

}  // namespace prune2to4
