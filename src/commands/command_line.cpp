// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <map>

#include "prune2to4/commands.h"
#include "prune2to4/error.h"
#include "prune2to4/log.h"

namespace prune2to4 {
namespace {

constexpr const char* kExitStatuses =
    "Exit status: 0 ok, 1 a gate failed, 2 usage or config, 3 data, 4 model, 5 file system,\n"
    "6 training diverged, 7 device, 130/143 interrupted.\n"
    "Each long option can also be set as PRUNE2TO4_<OPTION>, as in PRUNE2TO4_DEVICE=cpu.";

// An option that the environment can set too: "--allow-nonfinite" by PRUNE2TO4_ALLOW_NONFINITE.
void from_environment(CLI::Option* option) {
  std::string name = "PRUNE2TO4_" + option->get_lnames().front();
  for (char& letter : name) letter = letter == '-' ? '_' : static_cast<char>(std::toupper(letter));
  option->envname(name);
}

void add_output_options(CLI::App& command, OutputOptions& options) {
  static const std::map<std::string, Format> kFormats{
      {"text", Format::kText}, {"md", Format::kMarkdown}, {"csv", Format::kCsv}, {"json", Format::kJson}};
  // Not CheckedTransformer: its help and messages show the enum's numbers.
  from_environment(command
                       .add_option_function<std::string>(
                           "--format",
                           [&options](const std::string& name) { options.format = kFormats.at(name); },
                           "What stdout gets: text, md, csv or json [text]")
                       ->check(CLI::IsMember(kFormats))
                       ->type_name("NAME")
                       ->group("Results"));
  from_environment(
      command.add_option("--export-json", options.export_json, "Also write the JSON form to this file")
          ->type_name("FILE")
          ->group("Results"));
  auto* quiet =
      command.add_flag("-q,--quiet", options.quiet, "No progress and no notes, only warnings and errors");
  auto* verbose = command.add_flag("-v,--verbose", options.verbose, "Details on stderr");
  from_environment(quiet->group("Results"));
  from_environment(verbose->group("Results")->excludes(quiet));
}

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& description) {
  auto* option =
      command.add_option(name, value, description)->check(CLI::IsMember(choices))->type_name("NAME");
  from_environment(option);
  return option;
}

void setup_prune(CLI::App& app, PruneOptions& options) {
  CLI::App* command =
      app.add_subcommand("prune", "Prune a TorchScript model to 2:4 and write it packed, with a report");
  command->add_option("MODEL", options.model, "TorchScript archive (torch.jit.trace(...).save)")->required();
  from_environment(
      command
          ->add_option("-c,--config", options.config,
                       "Layer config (JSON); without it every linear layer whose name contains \"layer\"")
          ->type_name("FILE"));
  from_environment(command
                       ->add_option("-o,--output", options.output,
                                    "Sparse model [MODEL.2to4.pt]; the report goes beside it")
                       ->type_name("FILE"));
  from_environment(
      command->add_flag("--dry-run", options.dry_run, "List layers, shapes and bytes; write nothing"));
  add_choice(*command, "--dtype", options.dtype, {"keep", "fp32", "fp16", "bf16"},
             "Convert after masking: keep, fp32, fp16 or bf16 [keep]");
  from_environment(
      command
          ->add_option("--device", options.device,
                       "Where masked and packed model are compared: auto, cpu or cuda[:N] [auto]")
          ->type_name("NAME"));
  from_environment(
      command->add_option("--seed", options.seed, "Of the batch they are compared on [0]")->type_name("N"));
  from_environment(
      command->add_flag("--allow-nonfinite", options.allow_nonfinite, "Accept NaN and infinity in weights"));
  from_environment(command->add_flag("--trust-model", options.trust_model,
                                     "Accept code in the archive that could touch files"));
  add_output_options(*command, options.results);
  command->footer(std::string("Examples:\n  prune2to4 prune bert.pt\n  prune2to4 prune bert.pt --config "
                              "configs/ffn_only.json --output sparse.pt\n"
                              "  prune2to4 prune bert.pt --dry-run --format json | jq .totals\n\n") +
                  kExitStatuses);
}

void setup_inspect(CLI::App& app, InspectOptions& options) {
  CLI::App* command =
      app.add_subcommand("inspect", "List a model's layers, zeros and sizes without running it");
  command->add_option("MODEL", options.model, "TorchScript archive, dense or sparse")->required();
  from_environment(command->add_flag("--trust-model", options.trust_model,
                                     "Accept code in the archive that could touch files"));
  add_output_options(*command, options.results);
  command->footer(
      std::string(
          "Examples:\n  prune2to4 inspect bert.pt\n  prune2to4 inspect bert.2to4.pt --format csv\n\n") +
      kExitStatuses);
}

void set_log_level(const OutputOptions& options) {
  log::set_level(options.quiet     ? log::Level::kQuiet
                 : options.verbose ? log::Level::kVerbose
                                   : log::Level::kNormal);
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
  setup_prune(app, prune);
  setup_inspect(app, inspect);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version, out, out);
  } catch (const CLI::ParseError& error) {
    if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-') {
      throw Error(ExitStatus::kUsage, "usage",
                  std::string("there is no command '") + argv[1] + "'; the commands are inspect, prune");
    }
    const auto commands = app.get_subcommands();
    const std::string help =
        commands.empty() ? "prune2to4 --help" : "prune2to4 " + commands.front()->get_name() + " --help";
    throw Error(ExitStatus::kUsage, "usage", std::string(error.what()) + "; see " + help);
  }
  if (app.got_subcommand("prune")) {
    prune.command.assign(argv, argv + argc);
    set_log_level(prune.results);
    run_prune(prune, out);
  } else {
    set_log_level(inspect.results);
    run_inspect(inspect, out);
  }
  return static_cast<int>(ExitStatus::kOk);
}

}  // namespace prune2to4
