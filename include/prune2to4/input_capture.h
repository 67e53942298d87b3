// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "prune2to4/calibration.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

struct CaptureOptions {
  int64_t batch_tokens = 16384;               // of a forward pass, padding included
  int64_t moment_bytes = int64_t{768} << 20;  // held at once, on the device: beyond it the windows run again
};

// Linear layers that read the same tensor, and what it held.
struct CapturedInput {
  std::vector<std::string> weights;  // names, in the order of the calls
  InputMoments moments;              // on the device
};

// `count` of the windows [0, windows), or all of them when there are fewer, evenly spread, ascending.
std::vector<int64_t> spread_windows(int64_t windows, int64_t count);

// Runs the windows through `model` (InlinedModel::rewrite on `device`) and hands over the moments of the
// inputs that the calls of aten::linear with these weights saw; padding is left out. Moments are accumulated
// as the calls happen: no activation outlives its call. A weight that forward calls several times has the sum
// over its calls; one that it does not call is not handed over.
// Throws Error: kData when the data does not fit the model, what Runner throws, and Interrupted.
void capture_inputs(const torch::jit::Module& model, at::Device device,
                    const std::vector<std::string>& weights, const TokenizedSquad& data,
                    const std::vector<int64_t>& windows, const CaptureOptions& options,
                    const std::function<void(const CapturedInput&)>& use);

// The same for one input after the other, from the activations of `pruned`: the same model, in which `use`
// has put pruned weights (set_parameter) in the place of those whose inputs it had before. Each input has
// cross moments with the same input in `model`. Both models run once over all windows, stage by stage, and
// the activations between two stages are held for all of them; where a weight is called in a nested block or
// more than once, all windows run anew for each input.
void capture_sequentially(const torch::jit::Module& model, const torch::jit::Module& pruned,
                          at::Device device, const std::vector<std::string>& weights,
                          const TokenizedSquad& data, const std::vector<int64_t>& windows,
                          const CaptureOptions& options,
                          const std::function<void(const CapturedInput&)>& use);

}  // namespace prune2to4
