// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "commands/command.h"
#include "prune2to4/commands.h"
#include "prune2to4/number_range.h"

namespace prune2to4 {

// What the commands have in common at the end of their help.
extern const char* const kExitStatuses;

// Each adds its sub-command to `app`; parsing fills `options`.
Command& setup_prune(CLI::App& app, PruneOptions& options);
Command& setup_finetune(CLI::App& app, FinetuneOptions& options);
Command& setup_inspect(CLI::App& app, InspectOptions& options);
Command& setup_eval(CLI::App& app, EvalOptions& options);
Command& setup_bench(CLI::App& app, BenchOptions& options);

// An option that takes one of these names.
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& description);

// Refuses what is no number of the range, saying which are: "--limit takes a whole number of 1 or more".
CLI::Option* check_number(CLI::Option* option, const NumberRange& range);
inline constexpr NumberRange kPositiveWhole{.least = 1, .whole = true};
inline constexpr NumberRange kSeeds{.least = 0, .whole = true};
inline constexpr NumberRange kThreadCounts{.least = 1, .most = 4096, .whole = true};

void add_output_options(Command& command, OutputOptions& options);
void add_training_options(Command& command, TrainingOptions& options);

}  // namespace prune2to4
