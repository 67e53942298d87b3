// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/evaluation.h"

namespace prune2to4 {

// Sentence and table, as text or Markdown.
std::string evaluation_section(const Evaluation& evaluation, Format format);

}  // namespace prune2to4
