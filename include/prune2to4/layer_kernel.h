// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace prune2to4 {

// Which kernel a linear layer takes.
struct LayerKernel {
  std::string layer;
  std::string kernel;
};

}  // namespace prune2to4
