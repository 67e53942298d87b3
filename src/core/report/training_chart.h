// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "prune2to4/training_report.h"

namespace prune2to4 {

// An inline <svg> of loss, learning rate and F1 by step, a line each run; colours come from the page's style
// sheet. Empty when there is nothing to draw.
std::string training_chart(const std::vector<TrainingRun>& runs);

}  // namespace prune2to4
