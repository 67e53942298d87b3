// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ops/kernel_choice.h"
#include "ops/product_shape.h"
#include "prune2to4/api.h"

namespace prune2to4 {

// Candidates are timed in a process of their own: one that ends it, or never ends, costs itself only. A
// request is a line, fields between tabs; answers are lines "try KERNEL", "time KERNEL MILLISECONDS", of
// which the last of a kernel counts, and, when all have been timed, "done", or "error REASON" where none can
// be.
struct SweepRequest {
  ProductShape product;  // with the number of tokens that is timed
  bool biased = true;
  std::set<std::string> skipped;  // kernels
};

PRUNE2TO4_API std::string to_line(const SweepRequest& request);  // without its end
// Nothing where it is none.
PRUNE2TO4_API std::optional<SweepRequest> sweep_request(const std::string& line);

// What times a product's candidates.
using SweepCandidates = std::function<std::vector<Candidate>(const SweepRequest&)>;

// Answers what comes over the socket until its other end is closed; the process ends then, even in the midst
// of a kernel. Of a candidate that throws it ends as well, but not for want of memory.
[[noreturn]] PRUNE2TO4_API void serve_sweeps(int socket, const SweepCandidates& candidates);

// The same of real products: what prune2to4_sweep does.
[[noreturn]] PRUNE2TO4_API void serve_product_sweeps(int socket);

}  // namespace prune2to4
