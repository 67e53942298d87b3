// SPDX-License-Identifier: Apache-2.0
#include "commands/command_line.h"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "commands/command_options.h"
#include "commands/output_files.h"
#include "prune2to4/error.h"
#include "prune2to4/log.h"

namespace prune2to4 {
namespace {

void set_log_level(const OutputOptions& options) {
  log::set_level(options.quiet     ? log::Level::kQuiet
                 : options.verbose ? log::Level::kVerbose
                                   : log::Level::kNormal);
}

[[noreturn]] void explain(const CLI::App& app, const CLI::ParseError& error, int argc,
                          const char* const* argv) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty() && argc > 1 && argv[1][0] != '-') {
    throw Error(ExitStatus::kUsage, "usage",
                std::string("there is no command '") + argv[1] +
                    "'; the commands are bench, eval, finetune, inspect, prune");
  }
  const std::string help =
      chosen.empty() ? "prune2to4 --help" : "prune2to4 " + chosen.front()->get_name() + " --help";
  throw Error(ExitStatus::kUsage, "usage", std::string(error.what()) + "; see " + help);
}

// At most one result goes to stdout in the place of the table.
void check_stdout(const Command& command) {
  std::string first;
  for (const FileOption& file : command.file_options()) {
    if (file.dash != Dash::kStdout || file.option->count() == 0 || file.option->results().back() != "-")
      continue;
    const std::string name = file.option->get_name();
    if (!first.empty()) {
      throw Error(ExitStatus::kUsage, command.get_name(),
                  first + " - and " + name + " - would both go to stdout; give one of them a file");
    }
    first = name;
  }
}

void send_to_stdout(OutputOptions& results) {
  if (results.export_json != "-") return;
  results.export_json.clear();
  results.format = Format::kJson;
}

void send_to_stdout(EvalOptions& eval) {
  for (std::string* file : {&eval.predictions, &eval.n_best}) {
    if (*file != "-") continue;
    *file = kStdoutFile;
    eval.results.prints_results = false;
  }
}

void begin(const Command& command, const CommandLine& line, const OutputOptions& results) {
  set_log_level(results);
  for (const std::string& note : command.notes()) log::debug(note);
  warn_of_unknown_variables(line.commands);
}

void run(const Command& command, const CommandLine& line, std::ostream& out) {
  const std::string name = command.get_name();
  if (name == "prune") {
    begin(command, line, line.prune.results);
    run_prune(line.prune, out);
  } else if (name == "finetune") {
    begin(command, line, line.finetune.results);
    run_finetune(line.finetune, out);
  } else if (name == "eval") {
    begin(command, line, line.eval.results);
    run_eval(line.eval, out);
  } else if (name == "bench") {
    begin(command, line, line.bench.results);
    run_bench(line.bench, out);
  } else {
    begin(command, line, line.inspect.results);
    run_inspect(line.inspect, out);
  }
}

}  // namespace

CommandLine::CommandLine()
    : app("Prunes TorchScript models to 2:4 (semi-structured) sparsity and makes them fast.", "prune2to4"),
      commands{&setup_prune(app, prune), &setup_finetune(app, finetune), &setup_eval(app, eval),
               &setup_bench(app, bench), &setup_inspect(app, inspect)} {
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer(kExitStatuses);
}

Command& CommandLine::parse(int argc, const char* const* argv) {
  for (Command* command : commands) command->take_over();
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success&) {
    for (Command* command : commands) command->hand_back();
    throw;
  }
  Command& command = **std::find_if(commands.begin(), commands.end(),
                                    [this](const Command* each) { return app.got_subcommand(each); });
  command.take_environment();
  const std::string name = command.get_name();
  const bool may_read = name == "eval" || (name == "bench" && !command.given("--layer"));
  // Without a model on the command line, prune2to4.json in the current folder fills what is not given.
  reads_settings_ = may_read && !command.given("MODEL") && std::filesystem::exists(Settings::kFileName);
  if (reads_settings_) command.take_settings(read_settings(Settings::kFileName));
  command.finish();
  check_stdout(command);
  check_files(used_files(command), name);
  for (OutputOptions* results :
       {&prune.results, &finetune.results, &eval.results, &bench.results, &inspect.results}) {
    send_to_stdout(*results);
  }
  send_to_stdout(eval);
  return command;
}

std::vector<UsedFile> CommandLine::used_files(const Command& command) const {
  std::vector<UsedFile> files = command.used_files();
  const auto add = [&](const std::vector<UsedFile>& more) {
    files.insert(files.end(), more.begin(), more.end());
  };
  if (reads_settings_) add({{"the settings file", FileUse::kInput, Settings::kFileName}});
  if (command.get_name() == "prune") add(derived_files(prune));
  if (command.get_name() == "finetune") add(derived_files(finetune));
  return files;
}

int run_command_line(int argc, const char* const* argv, std::ostream& out) {
  CommandLine line;
  const Command* command = nullptr;
  try {
    command = &line.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return line.app.exit(help_or_version, out, out);
  } catch (const CLI::ParseError& error) {
    explain(line.app, error, argc, argv);
  }
  for (auto* words : {&line.prune.command, &line.finetune.command, &line.eval.command, &line.bench.command}) {
    words->assign(argv, argv + argc);
  }
  try {
    run(*command, line, out);
  } catch (const Error& error) {
    const std::string message = error.what();
    const std::string origins = error.status() == ExitStatus::kUsage ? command->origins_of(message) : "";
    if (origins.empty()) throw;
    const size_t end = message.find("] ");
    throw Error(ExitStatus::kUsage, message.substr(1, end - 1), message.substr(end + 2) + origins);
  }
  return static_cast<int>(ExitStatus::kOk);
}

}  // namespace prune2to4
