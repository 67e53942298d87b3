// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/App.hpp>
#include <array>
#include <ostream>
#include <vector>

#include "commands/command.h"
#include "prune2to4/commands.h"
#include "prune2to4/file_set.h"

namespace prune2to4 {

// All commands and their options.
struct CommandLine {
  CommandLine();
  CommandLine(const CommandLine&) = delete;  // the commands refer to the options
  CommandLine& operator=(const CommandLine&) = delete;

  // Fills the options of one command, from the command line, the environment and the settings file, and
  // checks the files that it names. Throws CLI::Success for --help and --version, CLI::ParseError,
  // Error(kUsage).
  Command& parse(int argc, const char* const* argv);
  // All files that this command reads and writes, after parse().
  std::vector<UsedFile> used_files(const Command& command) const;

  CLI::App app;
  PruneOptions prune;
  FinetuneOptions finetune;
  EvalOptions eval;
  BenchOptions bench;
  InspectOptions inspect;
  std::array<Command*, 5> commands;

 private:
  bool reads_settings_ = false;
};

// Warns of PRUNE2TO4_* in the environment that neither an option nor the program itself reads, each with the
// nearest name that one does.
void warn_of_unknown_variables(const std::array<Command*, 5>& commands);

}  // namespace prune2to4
