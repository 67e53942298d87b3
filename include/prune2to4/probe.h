// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <string>
#include <vector>

namespace prune2to4 {

// A random batch that a model's `forward` accepts: token ids with a padded second row, or for a module of one
// unnamed tensor, floats [2, in] for its first linear.
struct Probe {
  std::vector<c10::IValue> inputs;  // on `device`
  int64_t batch = 0;
  int64_t sequence = 0;             // 0: not a text model
  std::vector<at::Tensor> outputs;  // what the model gave for it, flattened
  std::string failure;              // why no batch could be made or run; empty: the rest holds
};

// Tries batch and sequence sizes until `forward` takes one: a trace may have wired one in.
// `first_linear_width` is the `in` of the first linear that forward calls.
Probe make_probe(torch::jit::Module model, int64_t first_linear_width, at::Device device, uint64_t seed);

// Outputs of another model for the same batch, flattened in order.
std::vector<at::Tensor> run_probe(torch::jit::Module model, const Probe& probe, uint64_t seed);

struct OutputDifference {
  double largest_difference = 0;  // absolute, over all outputs; NaN where only one of two is NaN
  double largest_value = 0;       // absolute and finite, of the first
};
OutputDifference compare_outputs(const std::vector<at::Tensor>& first, const std::vector<at::Tensor>& second);

}  // namespace prune2to4
