// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ops/product_shape.h"
#include "prune2to4/api.h"

namespace prune2to4 {

class KernelCache;

// A way to compute a product.
struct Candidate {
  std::string kernel;                                   // its name
  std::function<std::optional<double>()> milliseconds;  // measures it; nothing where it cannot run
};

// What each candidate takes, in milliseconds, nothing where it cannot run. All run in turn, again and again,
// and of that the later half counts: a model runs on a device whose clocks have fallen under its load, and at
// those another candidate can be the fastest.
PRUNE2TO4_API std::vector<std::optional<double>> times_under_load(const std::vector<Candidate>& candidates);

// The index of the fastest candidate: what this process found before, else what the cache names (nullptr:
// there is none), else measured. Thread-safe. Preconditions: the first candidate can always be measured; a
// candidate may ask known_fastest(), but not this.
PRUNE2TO4_API size_t fastest(const ProductShape& shape, const std::vector<Candidate>& candidates,
                             KernelCache* cache);
// What fastest() found before.
PRUNE2TO4_API std::optional<size_t> known_fastest(const ProductShape& shape);

}  // namespace prune2to4
