// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "prune2to4/layer_config.h"
#include "prune2to4/model.h"
#include "prune2to4/report.h"

namespace prune2to4 {

// Reorders channels inside a BERT encoder, in the model's own memory, so that 2:4 keeps more of the squared
// magnitude of the weights that read them, and the dense model computes what it did: the inner channels of
// the feed-forward part, and those of the values within each attention head. Only where a layer that reads
// them is chosen for 2:4, and shares no memory.
// The function is proven on a random batch, in float64 where the model runs in it; `seed` makes the batch.
// Throws Error(kModel), the model as it was, when it is no encoder that is known here, or when its outputs
// change.
PermutationReport permute_channels(InlinedModel& model, const std::vector<LayerChoice>& choices,
                                   uint64_t seed);

}  // namespace prune2to4
