// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "prune2to4/bench.h"
#include "prune2to4/commands.h"

// What `bench` makes of its options: who runs, and on what.
namespace prune2to4 {

// Loaded, converted and on their device; the model in question first.
struct Contestants {
  std::deque<Runner> runners;
  std::vector<BenchModel> models;  // what the report says of each
  std::optional<EncoderSize> size;

  int64_t positions() const;   // tokens of the longest sequence that all take; 0: any number
  int64_t vocabulary() const;  // ids below it fit all; 0: not known
};

// The model, and its baseline: the one that the options name, or the dense twin of a sparse one, or none.
// Throws Error(kUsage) when a gate needs a baseline and there is none.
Contestants load_contestants(const BenchOptions& options, at::Device device);

// The sizes to measure, in the order given.
struct BenchShapes {
  std::vector<int64_t> batches;
  std::vector<int64_t> lengths;
  int64_t windows = 0;  // of the data; 0: there is none
};

// Throws Error: kUsage when a size does not fit the models or the data, kData when the data does not fit the
// models. `data`: may be null.
BenchShapes choose_shapes(const BenchOptions& options, const Contestants& contestants,
                          const TokenizedSquad* data);

}  // namespace prune2to4
