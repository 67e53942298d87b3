// SPDX-License-Identifier: Apache-2.0
#include "commands/command_options.h"

#include <CLI/CLI.hpp>
#include <map>

#include "prune2to4/calibrate_layers.h"
#include "prune2to4/error.h"

namespace prune2to4 {

const char* const kExitStatuses =
    "Exit status: 0 ok, 1 a gate failed, 2 usage or config, 3 data, 4 model, 5 file system,\n"
    "6 training diverged, 7 device, 130/143 interrupted.\n"
    "Each long option can also be set as PRUNE2TO4_<OPTION>, as in PRUNE2TO4_DEVICE=cpu.";

CLI::Option* check_number(CLI::Option* option, const NumberRange& range) {
  // CLI11 puts "NAME: " before what a validator returns, and leaves this as it is.
  return option->check([range, name = option->get_name()](const std::string& text) -> std::string {
    if (range.allows_text(text)) return "";
    throw CLI::ConversionError(name + " takes " + range.text() + ", not '" + text + "'");
  });
}

void add_output_options(Command& command, OutputOptions& options) {
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
  add_output_file(command, "--export-json", options.export_json,
                  "Also write the JSON form to this file; -: to stdout, in the place of what --format says",
                  Dash::kStdout)
      ->group("Results");
  auto* quiet =
      command.add_flag("-q,--quiet", options.quiet, "No progress and no notes, only warnings and errors");
  auto* verbose = command.add_flag("-v,--verbose", options.verbose, "Details on stderr");
  from_environment(quiet->group("Results"));
  from_environment(verbose->group("Results")->excludes(quiet));
}

CLI::Option* add_choice(CLI::App& command, const std::string& name, std::string& value,
                        const std::vector<std::string>& choices, const std::string& description) {
  return from_environment(
      command.add_option(name, value, description)->check(CLI::IsMember(choices))->type_name("NAME"));
}

namespace {

// What a dry run has no use for.
void add_evaluation(Command& command, PruneOptions& options, CLI::Option* dry_run) {
  auto* eval = add_input_file(command, "--eval", options.eval,
                              "Tokenized questions: F1 and EM of the dense, masked and packed model");
  eval->group("Questions")->excludes(dry_run);
  check_number(from_environment(
                   command.add_option("--eval-limit", options.eval_limit, "Ask only the first N questions")),
               kPositiveWhole)
      ->type_name("N")
      ->group("Questions")
      ->needs(eval);
  from_environment(command.add_flag("--save-settings", options.save_settings,
                                    "Write prune2to4.json, which `eval` without a model reads"))
      ->group("Questions")
      ->excludes(dry_run);
}

void add_calibration(Command& command, PruneOptions& options, CLI::Option* dry_run) {
  auto* calibrate =
      add_input_file(command, "--calibrate", options.calibrate,
                     "Tokenized text, with labels or without: prune for what the layers see on it");
  calibrate->group("Calibration")->excludes(dry_run);
  std::vector<std::string> names;
  for (const auto& [name, method] : kCalibrationMethods) names.push_back(name);
  auto* method = add_choice(
      command, "--method", options.method, names,
      "weight-norm, wanda, sparsegpt or reconstruction [reconstruction with --calibrate, else weight-norm]");
  method->group("Calibration");
  command.apply_only_with(method, {calibrate});
  check_number(from_environment(command.add_option(
                   "--windows", options.windows,
                   "Calibrate on N windows of the file at most [1024 on a GPU, 128 on a CPU]")),
               kPositiveWhole)
      ->type_name("N")
      ->group("Calibration")
      ->needs(calibrate);
  from_environment(
      command.add_flag("--fast", options.fast,
                       "Neither --sequential nor --permute, which reconstruction does by itself: "
                       "less accurate; either of them can be given beside it"))
      ->group("Calibration")
      ->needs(calibrate);
  from_environment(
      command.add_flag("--sequential", options.sequential,
                       "Layer after layer, from what the pruned layers before give [reconstruction does]"))
      ->group("Calibration")
      ->needs(calibrate);
  from_environment(command.add_flag("--correct-bias", options.correct_bias,
                                    "Add the mean of what a layer loses to its bias"))
      ->group("Calibration")
      ->needs(calibrate);
}

void add_sensitivity(Command& command, PruneOptions& options, CLI::Option* dry_run) {
  auto* sensitivity =
      command.add_flag("--sensitivity", options.sensitivity,
                       "Prune one layer at a time, and report what each costs on --eval or --calibrate");
  from_environment(sensitivity)->group("Sensitivity")->excludes(dry_run);
  auto* skip_worst = command.add_option("--skip-worst", options.skip_worst,
                                        "Keep the N layers dense that cost most; measures --sensitivity");
  check_number(from_environment(skip_worst), kPositiveWhole)
      ->type_name("N")
      ->group("Sensitivity")
      ->excludes(dry_run);
  for (CLI::Option* option : {sensitivity, skip_worst}) {
    command.apply_only_with(option, {command.get_option("--eval"), command.get_option("--calibrate")});
  }
}

void add_comparison(Command& command, PruneOptions& options, CLI::Option* dry_run) {
  add_input_file(command, "--probe", options.probe,
                 "Compare packed and masked on the tensors of this safetensors file, named as forward's "
                 "arguments [random ones]")
      ->group("Comparison")
      ->excludes(dry_run);
  from_environment(command.add_flag("--require-comparison", options.require_comparison,
                                    "Write nothing where packed and masked cannot be compared"))
      ->group("Comparison")
      ->excludes(dry_run);
}

}  // namespace

Command& setup_prune(CLI::App& app, PruneOptions& options) {
  Command& command =
      add_command(app, "prune", "Prune a TorchScript model to 2:4 and write it packed, with a report");
  add_input_file(command, "MODEL", options.model, "TorchScript archive (torch.jit.trace(...).save)")
      ->required();
  add_input_file(command, "-c,--config", options.config,
                 "Layer config (JSON); without it every linear layer whose name contains \"layer\"");
  add_output_file(command, "-o,--output", options.output,
                  "Sparse model [MODEL.2to4.pt]; the report goes beside it");
  auto* dry_run =
      command.add_flag("--dry-run", options.dry_run, "List layers, shapes and bytes; write nothing");
  from_environment(dry_run);
  add_choice(command, "--dtype", options.dtype, {"keep", "fp32", "fp16", "bf16"},
             "Convert after masking: keep, fp32, fp16 or bf16 [keep]");
  from_environment(command.add_flag("--permute", options.permute,
                                    "Reorder a BERT's inner channels first, so that 2:4 keeps more "
                                    "[reconstruction does, where it can]"))
      ->excludes(dry_run);
  from_environment(
      command
          .add_option("--device", options.device,
                      "Where the models are compared and evaluated: auto, cpu or cuda[:N] [auto]")
          ->type_name("NAME"));
  add_comparison(command, options, dry_run);
  add_evaluation(command, options, dry_run);
  add_calibration(command, options, dry_run);
  add_sensitivity(command, options, dry_run);
  add_training_options(command, options.training);
  command.get_option("--train")->excludes(dry_run);
  check_number(from_environment(command.add_option("--seed", options.seed,
                                                   "Of training and of the batch they are compared on [0]")),
               kSeeds)
      ->type_name("N");
  from_environment(
      command.add_flag("--allow-nonfinite", options.allow_nonfinite, "Accept NaN and infinity in weights"));
  from_environment(command.add_flag("--allow-unpacked", options.allow_unpacked,
                                    "Mask layers that cannot be packed, too: dense, with zeros"));
  from_environment(command.add_flag("--trust-model", options.trust_model,
                                    "Accept code in the archive that could touch files"));
  add_output_options(command, options.results);
  command.footer(std::string("Examples:\n  prune2to4 prune bert.pt\n  prune2to4 prune bert.pt --config "
                             "configs/ffn_only.json --output sparse.pt\n"
                             "  prune2to4 prune bert.pt --calibrate text.safetensors\n"
                             "  prune2to4 prune bert.pt --dry-run --format json | jq .totals\n\n") +
                 kExitStatuses);
  return command;
}

Command& setup_inspect(CLI::App& app, InspectOptions& options) {
  Command& command = add_command(app, "inspect", "List a model's layers, zeros and sizes without running it");
  add_input_file(command, "MODEL", options.model, "TorchScript archive, dense or sparse")->required();
  from_environment(command.add_flag("--trust-model", options.trust_model,
                                    "Accept code in the archive that could touch files"));
  add_output_options(command, options.results);
  command.footer(
      std::string(
          "Examples:\n  prune2to4 inspect bert.pt\n  prune2to4 inspect bert.2to4.pt --format csv\n\n") +
      kExitStatuses);
  return command;
}

namespace {

void add_batch_options(Command& command, EvalOptions& options) {
  const auto add = [&](const char* name, int64_t& value, const char* description) {
    check_number(from_environment(command.add_option(name, value, description)), kPositiveWhole)
        ->type_name("N")
        ->group("Speed");
  };
  add("--batch-tokens", options.batch_tokens, "Tokens of a batch at most, padding included [by device]");
  add("--batch-size", options.batch_size, "Windows of a batch at most [any number]");
  check_number(from_environment(command.add_option("--threads", options.threads, "CPU threads [all cores]")),
               kThreadCounts)
      ->type_name("N")
      ->group("Speed");
  add_choice(command, "--padding", options.padding, {"remove", "keep"},
             "Whether the encoder engine computes padding: remove or keep [remove]")
      ->group("Speed");
  add_choice(command, "--engine", options.engine, {"auto", "interpreter"},
             "auto: the encoder engine on a GPU in fp16 and bf16 [auto]")
      ->group("Speed");
}

void add_span_options(Command& command, SpanOptions& options) {
  const auto add = [&](const char* name, auto& value, const char* type, const NumberRange& range,
                       const char* description) {
    check_number(from_environment(command.add_option(name, value, description)), range)
        ->type_name(type)
        ->group("Answers");
  };
  add("--n-best-size", options.n_best, "N", {.least = 1, .most = 1000, .whole = true},
      "Starts and ends that are combined, and answers of --nbest [20]");
  add("--max-answer-length", options.max_answer_tokens, "N", {.least = 1, .most = 10000, .whole = true},
      "Tokens of an answer at most [30]");
  add("--null-threshold", options.null_threshold, "X", {},
      "SQuAD 2.0: no answer where the null score is above the best by more [0]");
}

void add_gates(Command& command, EvalOptions& options) {
  const auto add = [&](const char* name, std::optional<double>& value, const char* description) {
    check_number(from_environment(command.add_option(name, value, description)), {.least = 0, .most = 100})
        ->type_name("X")
        ->group("Gates");
  };
  add("--min-f1", options.min_f1, "Exit with 1 when F1 is below");
  add("--min-em", options.min_exact_match, "Exit with 1 when EM is below");
  add("--max-f1-drop", options.max_f1_drop, "Exit with 1 when F1 is more points below the baseline's");
  add_input_file(command, "--baseline", options.baseline,
                 "Dense model, or the JSON report of `eval` or `prune --eval`")
      ->group("Gates");
}

}  // namespace

Command& setup_eval(CLI::App& app, EvalOptions& options) {
  Command& command = add_command(app, "eval", "Answer SQuAD questions: F1 and EM of a dense or sparse model");
  add_input_file(command, "MODEL", options.model, "TorchScript archive [the one that prune2to4.json names]");
  add_input_file(command, "--data", options.data, "Questions, tokenized by scripts/tokenize_squad.py");
  add_input_file(command, "--compare", options.compare,
                 "Another model: share of answers that differ, and which differ most");
  check_number(
      from_environment(command.add_option("--limit", options.limit, "Ask only the first N questions")),
      kPositiveWhole)
      ->type_name("N");
  from_environment(
      command.add_option("--device", options.device, "auto, cpu or cuda[:N] [auto]")->type_name("NAME"));
  add_choice(command, "--dtype", options.dtype, {"keep", "fp32", "fp16", "bf16"},
             "Run all models in keep, fp32, fp16 or bf16 [keep]");
  from_environment(command.add_flag("--trust-model", options.trust_model,
                                    "Accept code in the archive that could touch files"));
  add_span_options(command, options.spans);
  add_batch_options(command, options);
  add_gates(command, options);
  add_output_file(command, "--predictions", options.predictions,
                  "Write the answers as the official scripts read them; -: to stdout, without a table",
                  Dash::kStdout)
      ->group("Results");
  add_output_file(command, "--nbest", options.n_best,
                  "Write the best answers of each question with their probabilities; -: to stdout",
                  Dash::kStdout)
      ->group("Results");
  add_output_options(command, options.results);
  command.footer(
      std::string(
          "Without MODEL, it and every option not given come from prune2to4.json in this folder.\n\n"
          "Examples:\n  prune2to4 eval bert.2to4.pt --data dev.safetensors\n"
          "  prune2to4 eval bert.2to4.pt --data dev.safetensors --baseline bert.pt --max-f1-drop 1\n\n") +
      kExitStatuses);
  return command;
}

}  // namespace prune2to4
