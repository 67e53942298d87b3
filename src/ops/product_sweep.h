// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "ops/sweep.h"

namespace prune2to4 {

class KernelCache;

// Candidates of a product on a GPU: timed by prune2to4_sweep, which lies beside this library, all of them
// when the first is asked for; where that cannot be done, `here`, but for those that are not proven. Which
// have failed there is kept in the cache, if there is one; they are never run here.
std::vector<Candidate> timed_elsewhere(SweepRequest request, std::vector<Candidate> here,
                                       std::function<bool(size_t)> proven, KernelCache* cache);

}  // namespace prune2to4
