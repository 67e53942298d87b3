// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>

#include "prune2to4/commands.h"
#include "prune2to4/settings.h"

namespace prune2to4 {

// What the commands have in common at the end of their help.
extern const char* const kExitStatuses;

// Each adds its sub-command to `app`; parsing fills `options`.
void setup_prune(CLI::App& app, PruneOptions& options);
void setup_finetune(CLI::App& app, FinetuneOptions& options);
void setup_inspect(CLI::App& app, InspectOptions& options);
void setup_eval(CLI::App& app, EvalOptions& options);
void setup_bench(CLI::App& app, BenchOptions& options);

// An option that the environment can set too: "--allow-nonfinite" by PRUNE2TO4_ALLOW_NONFINITE.
CLI::Option* from_environment(CLI::Option* option);

// An option that takes one of these names.
CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& description);

void add_output_options(CLI::App& command, OutputOptions& options);
void add_training_options(CLI::App& command, TrainingOptions& options);

// Gives options that neither a flag nor the environment set the values of the settings file, checked as on
// the command line. Throws Error(kUsage) naming file and option.
void apply_settings(CLI::App& command, const Settings::Options& values);

}  // namespace prune2to4
