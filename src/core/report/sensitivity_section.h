// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/report.h"

namespace prune2to4 {

// How it was measured, which layer costs most and which were left dense: plain text on one line.
std::string sensitivity_sentence(const SensitivityReport& sensitivity);
// A row a layer, the worst first.
Table sensitivity_table(const SensitivityReport& sensitivity);
// Sentence and table, as text or Markdown.
std::string sensitivity_section(const SensitivityReport& sensitivity, Format format);

}  // namespace prune2to4
