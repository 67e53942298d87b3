// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "prune2to4/bench_report.h"
#include "prune2to4/commands.h"
#include "prune2to4/evaluation.h"

namespace prune2to4 {

// The gates that the user set, each with its outcome. Precondition: a baseline when max_f1_drop is set.
std::vector<GateResult> check_gates(const EvalOptions& options, const MeanScore& score,
                                    const std::optional<Baseline>& baseline);

// At the point where the model is worst. Precondition: a baseline when min_speedup is set.
std::vector<GateResult> check_gates(const BenchOptions& options, const BenchReport& report);

// Throws Error(kGate), one line that says by how much, when any gate was missed.
void throw_missed(const std::vector<GateResult>& gates);

}  // namespace prune2to4
