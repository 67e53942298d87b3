// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/report.h"

namespace prune2to4 {

// An inline <svg> of zeros and bytes by layer, one row a layer; colours come from the page's style sheet.
// Empty when there are no layers.
std::string layer_chart(const Report& report);

}  // namespace prune2to4
