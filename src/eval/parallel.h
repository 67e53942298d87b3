// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

namespace prune2to4 {

// Calls `task` with each index below `count`, begun in ascending order, on `threads` threads. LibTorch
// computes each call on its one thread. When a call throws, no further one is begun, and the first exception
// is rethrown.
void for_each_index(size_t count, int threads, const std::function<void(size_t)>& task);

}  // namespace prune2to4
