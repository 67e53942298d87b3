// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/report.h"

namespace prune2to4 {

// Layers, what 2:4 keeps of them, and the proof; empty without a permutation.
std::string permutation_sentence(const Report& report);

}  // namespace prune2to4
