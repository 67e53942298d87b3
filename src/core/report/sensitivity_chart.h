// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/report.h"

namespace prune2to4 {

// An inline <svg> of what each layer costs, the worst first: F1 lost where there is one, else the divergence.
// Colours come from the page's style sheet. Empty when there are no layers.
std::string sensitivity_chart(const SensitivityReport& sensitivity);

}  // namespace prune2to4
