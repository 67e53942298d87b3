// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <filesystem>

#include "commands/command_options.h"
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

// Without a model on the command line, prune2to4.json in the current folder fills what is not given.
void read_settings_file(CLI::App& command, std::string& model) {
  if (!model.empty() || !std::filesystem::exists(Settings::kFileName)) return;
  const Settings settings = read_settings(Settings::kFileName);
  model = settings.model;
  if (const auto own = settings.commands.find(command.get_name()); own != settings.commands.end()) {
    apply_settings(command, own->second);
  }
}

}  // namespace

int run_command_line(int argc, const char* const* argv, std::ostream& out) {
  CLI::App app("Prunes TorchScript models to 2:4 (semi-structured) sparsity and makes them fast.",
               "prune2to4");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer(kExitStatuses);
  PruneOptions prune;
  InspectOptions inspect;
  EvalOptions eval;
  BenchOptions bench;
  FinetuneOptions finetune;
  setup_prune(app, prune);
  setup_finetune(app, finetune);
  setup_eval(app, eval);
  setup_bench(app, bench);
  setup_inspect(app, inspect);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version, out, out);
  } catch (const CLI::ParseError& error) {
    explain(app, error, argc, argv);
  }
  if (app.got_subcommand("prune")) {
    prune.command.assign(argv, argv + argc);
    set_log_level(prune.results);
    run_prune(prune, out);
  } else if (app.got_subcommand("finetune")) {
    finetune.command.assign(argv, argv + argc);
    set_log_level(finetune.results);
    run_finetune(finetune, out);
  } else if (app.got_subcommand("eval")) {
    eval.command.assign(argv, argv + argc);
    read_settings_file(*app.get_subcommand("eval"), eval.model);
    set_log_level(eval.results);
    run_eval(eval, out);
  } else if (app.got_subcommand("bench")) {
    bench.command.assign(argv, argv + argc);
    if (bench.layer.empty()) read_settings_file(*app.get_subcommand("bench"), bench.model);
    set_log_level(bench.results);
    run_bench(bench, out);
  } else {
    set_log_level(inspect.results);
    run_inspect(inspect, out);
  }
  return static_cast<int>(ExitStatus::kOk);
}

}  // namespace prune2to4
