// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "prune2to4/table.h"
#include "prune2to4/training_report.h"

namespace prune2to4 {

// The ends of the drawn curve: the first finite loss, and the last one or the mean of the last few.
struct LossChange {
  double first = 0;
  double last = 0;
};
std::optional<LossChange> loss_change(const TrainingRun& run);

// "3 epochs", "0.5 epochs", or "20 steps" when no epoch is known.
std::string training_length(const TrainingRun& run);

// "sparse: 2,394 steps of 32 windows in 81.0 s (945 windows/s), 0 skipped, loss from 2.31 to 1.02; ...":
// plain text on one line.
std::string training_sentence(const TrainingRun& run);
// "Recipe of sparse: epochs 3, ..."; empty for a run with the recipe of the run before it.
std::string recipe_sentence(const std::vector<TrainingRun>& runs, size_t index);

// A row an epoch; the columns that no run fills are left out. kCsv: raw numbers and every column.
Table training_table(const std::vector<TrainingRun>& runs, Format format);
// Sentences and table, as text or Markdown.
std::string training_section(const std::vector<TrainingRun>& runs, Format format);

}  // namespace prune2to4
