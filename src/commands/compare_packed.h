// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/model.h"
#include "prune2to4/probe.h"
#include "prune2to4/report.h"

namespace prune2to4 {

// One forward pass of the model, masked or still dense, on the inputs of `file`, or on random ones when it is
// empty. Throws what read_probe() throws.
Probe probe_masked(const InlinedModel& model, const Examples& examples, const std::string& file,
                   at::Device device, uint64_t seed);

// The warning that a probe's failure deserves: what was not compared, why, and what --probe needs.
std::string not_compared(const Probe& probe);

// The packed model on the same batch. Throws Error(kModel) when it computes something else than the masked
// one did, beyond the rounding of another summation order.
ProbeReport compare_packed(const torch::jit::Module& sparse, const Probe& probe, at::Device device,
                           uint64_t seed);

}  // namespace prune2to4
