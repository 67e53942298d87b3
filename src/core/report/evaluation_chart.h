// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/evaluation.h"

namespace prune2to4 {

// An inline <svg> with a bar of F1 and one of EM for each model; colours come from the page's style sheet.
// Empty when there are no models.
std::string evaluation_chart(const Evaluation& evaluation);

// The same bars of block characters, a line each.
std::string evaluation_bars(const Evaluation& evaluation);

}  // namespace prune2to4
