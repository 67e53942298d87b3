// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

namespace prune2to4 {

// A tensor of a module with its fully qualified name.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// Parameters of floating type that `forward` reads, in the module's order: what training changes. Parameters
// that share memory count as one, under the first name.
std::vector<NamedTensor> forward_parameters(const torch::jit::Module& module);

// The bias that `forward` adds behind each weight, by the weight's name: a parameter that aten::linear reads
// with this weight alone, in memory of its own. Weights without such a one have none.
std::map<std::string, NamedTensor> linear_biases(const torch::jit::Module& module);

// Undefined when there is no parameter of that name.
at::Tensor parameter_named(const torch::jit::Module& module, const std::string& name);

// Puts each tensor in the place of the parameter of its name, and of what shares that one's memory.
void set_parameters(torch::jit::Module& module, const std::vector<NamedTensor>& parameters);
// In the place of the parameter of that name alone: what shares its memory keeps the old one.
void set_parameter(torch::jit::Module& module, const NamedTensor& parameter);

}  // namespace prune2to4
