// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "prune2to4/model.h"
#include "prune2to4/probe.h"
#include "prune2to4/report.h"

namespace prune2to4 {

// One forward pass of the masked dense model on a random batch.
Probe probe_masked(const InlinedModel& model, at::Device device, uint64_t seed);

// The packed model on the same batch. Throws Error(kModel) when it computes something else than the masked
// one did, beyond the rounding of another summation order.
ProbeReport compare_packed(const torch::jit::Module& sparse, const Probe& probe, at::Device device,
                           uint64_t seed);

}  // namespace prune2to4
