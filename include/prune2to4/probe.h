// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/traced_inputs.h"

namespace prune2to4 {

// What a model was traced with, as traced_inputs() reads it; empty: not known.
using Examples = std::vector<std::optional<ExampleTensor>>;

// A batch that a model's `forward` accepts, and what the model makes of it.
struct Probe {
  std::vector<c10::IValue> inputs;  // in the order of forward's arguments without a default
  std::vector<std::string> names;   // of them
  int64_t batch = 0;                // dimension 0 of the first tensor
  int64_t sequence = 0;             // 0: no input has tokens
  std::vector<at::Tensor> outputs;  // what the model gave for it, flattened, on the CPU
  std::string failure;              // why no batch could be made or run; empty: the rest holds
  std::string needs;                // what forward asks for: "x (float32 [batch, 8]), mask (bool [batch])"
};

// Random inputs of the types, shapes and bounds that the graph and the examples show (model/input_spec.h):
// tries one after the other, small ones first, until `forward` runs and its outputs are finite and depend on
// the inputs. The model runs on `device`.
Probe make_probe(torch::jit::Module model, at::Device device, uint64_t seed, const Examples& examples = {});

// Inputs by name from a safetensors file. Throws Error(kFileSystem) when it cannot be read, and Error(kData)
// when a name is no argument of forward, an argument is missing, a tensor is of integers where forward takes
// floats or the other way round, an id is out of its table's bounds, or forward fails on them.
Probe read_probe(torch::jit::Module model, at::Device device, uint64_t seed, const Examples& examples,
                 const std::filesystem::path& file);

// Outputs of another model for the same batch, flattened in order, on the CPU. Buffers that forward changes
// (the statistics of a batch norm in training mode) are afterwards what they were.
std::vector<at::Tensor> run_probe(torch::jit::Module model, const Probe& probe, at::Device device,
                                  uint64_t seed);

// Floating outputs have a difference; integers and booleans, which jump where floats round, are counted.
struct OutputDifference {
  double largest_difference = 0;  // absolute; NaN where only one of two is NaN, or shapes differ
  double largest_value = 0;       // absolute and finite, of the first
  int64_t integers = 0;
  int64_t changed_integers = 0;
};
OutputDifference compare_outputs(const std::vector<at::Tensor>& first, const std::vector<at::Tensor>& second);

}  // namespace prune2to4
