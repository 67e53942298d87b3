// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

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

// Puts each tensor in the place of the parameter of its name, and of what shares that one's memory.
void set_parameters(torch::jit::Module& module, const std::vector<NamedTensor>& parameters);

}  // namespace prune2to4
