// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "train/optimizer.h"
#include "train/parameters.h"

namespace prune2to4 {

// Makes the masks of all pruned weights anew, at `sparsity` of what each layer's options ask for
// (weight_norm_mask() with that share of the level), from the weights or, where the optimizer keeps it, from
// their saliency; and clears what they prune: values, average and both moments. A weight once pruned stays
// so.
void refresh_masks(Parameters& parameters, Optimizer& optimizer, double sparsity);

// Throws std::logic_error naming a layer where a pruned element is not zero. Returns zeros / elements of
// pruned layers.
double check_masks(const Parameters& parameters);

}  // namespace prune2to4
