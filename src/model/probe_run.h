// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <string>
#include <vector>

namespace prune2to4 {

// The outputs of `forward`, flattened, dense and on the CPU; `inputs` are moved to `device` first. One seed
// gives one result also where forward draws random numbers, and buffers keep their values.
std::vector<at::Tensor> run_forward(torch::jit::Module& model, const std::vector<c10::IValue>& inputs,
                                    at::Device device, uint64_t seed);

// The same; none where it fails, and then `failure` says why in one line.
std::vector<at::Tensor> try_forward(torch::jit::Module& model, const std::vector<c10::IValue>& inputs,
                                    at::Device device, uint64_t seed, std::string& failure);

// Whether a second run with the same seed gives something else: then no difference can be blamed on the
// weights.
bool is_repeatable(torch::jit::Module& model, const std::vector<c10::IValue>& inputs, at::Device device,
                   uint64_t seed, const std::vector<at::Tensor>& outputs);

}  // namespace prune2to4
