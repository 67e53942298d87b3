// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/archive.h"

namespace prune2to4 {

// A tensor that torch.jit.trace was called with. An archive keeps its type and shape, not its elements.
struct ExampleTensor {
  std::string dtype;  // "float32", "int64", ...
  std::vector<int64_t> shape;
};

// What `forward` was traced with, in the order of its arguments; none where that was no tensor. Empty for an
// archive without such a record (a scripted model, or one that was loaded and saved again), or with one that
// is malformed: it is a hint, which no model needs.
std::vector<std::optional<ExampleTensor>> traced_inputs(const Archive& archive);

}  // namespace prune2to4
