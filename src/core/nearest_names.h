// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace prune2to4 {

// Levenshtein distance in bytes: insertions, deletions and substitutions.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace prune2to4
