// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <charconv>

#include "commands/command_options.h"

namespace prune2to4 {
namespace {

constexpr int64_t kLargest = 1'000'000'000;

// The numbers of "4,16,64"; none when the text is anything else.
std::vector<int64_t> numbers_of(const std::string& text, char separator) {
  std::vector<int64_t> numbers;
  const char* from = text.data();
  const char* const end = from + text.size();
  while (true) {
    int64_t number = 0;
    const auto read = std::from_chars(from, end, number);
    if (read.ec != std::errc() || number < 1 || number > kLargest) return {};
    numbers.push_back(number);
    if (read.ptr == end) return numbers;
    if (*read.ptr != separator) return {};
    from = read.ptr + 1;
  }
}

std::string check_list(const std::string& text) {
  return numbers_of(text, ',').empty() ? "'" + text + "' is no list of positive numbers, as in 4,16,64" : "";
}

std::string check_layer(const std::string& text) {
  const std::vector<int64_t> sizes = numbers_of(text, 'x');
  if (sizes.size() != 2) return "'" + text + "' is not OUTxIN, as in 3072x10240";
  return sizes[1] % 4 == 0 ? "" : "the inputs of a 2:4 layer are a multiple of 4, not " + text;
}

// Not CLI11's own lists: they would take MODEL.pt for one more number.
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<int64_t>& values,
                      const std::string& description) {
  return from_environment(
      command
          .add_option_function<std::string>(
              name, [&values](const std::string& text) { values = numbers_of(text, ','); }, description)
          ->check(check_list)
          ->type_name("N,..."));
}

void add_batches(Command& command, BenchOptions& options) {
  add_list(command, "--batch", options.batches, "Sequences of a batch [1,4; on a GPU 4,16,64,256]")
      ->group("Batches");
  add_list(command, "--length", options.lengths, "Tokens of a sequence [384, or the most that fit]")
      ->group("Batches");
  auto* data = add_input_file(command, "--lengths", options.data,
                              "Run the windows of this tokenized file, with their lengths and padding");
  data->group("Batches");
  check_number(from_environment(command.add_option("--windows", options.windows,
                                                   "Of the file, the first N [16; on a GPU 2048]")),
               kPositiveWhole)
      ->type_name("N")
      ->group("Batches")
      ->needs(data);
  check_number(
      from_environment(command.add_option("--seed", options.seed, "Of random tokens and weights [0]")),
      kSeeds)
      ->type_name("N")
      ->group("Batches");
  add_output_file(command, "--export-logits", options.export_logits,
                  "Write the first batch and both models' logits, as safetensors")
      ->group("Batches");
}

void add_layer(Command& command, BenchOptions& options) {
  auto* layer = command.add_option("--layer", options.layer,
                                   "Time one linear layer, a random 2:4 weight, in the place of a model");
  from_environment(layer)->check(check_layer)->type_name("OUTxIN")->group("One layer");
  for (const char* other : {"MODEL", "--batch", "--length", "--lengths", "--baseline", "--export-logits"}) {
    layer->excludes(command.get_option(other));
  }
  add_list(command, "--tokens", options.tokens,
           "Tokens of its input [384,1536; on a GPU 1536,6144,24576,98304]")
      ->group("One layer")
      ->needs(layer);
}

void add_measuring(Command& command, BenchOptions& options) {
  const auto add = [&](const char* name, auto& value, const char* type, const NumberRange& range,
                       const char* description) {
    check_number(from_environment(command.add_option(name, value, description)), range)
        ->type_name(type)
        ->group("Measuring");
  };
  constexpr NumberRange kSeconds{.least = 0, .most = 86400};
  add("--repeats", options.measure.repeats, "N", {.least = 1, .most = kLargest, .whole = true},
      "Repeats of each model at each point, at least [10]");
  add("--min-seconds", options.measure.min_seconds, "S", kSeconds,
      "Seconds that each model is measured at each point, at least [3]");
  add("--warmup", options.measure.warm_up_seconds, "S", kSeconds,
      "Seconds that each model runs before that [0.5]");
  from_environment(
      command.add_flag("--profile", options.profile, "Also each kernel's share of the GPU's time"))
      ->group("Measuring");
  add("--threads", options.threads, "N", kThreadCounts, "CPU threads [all cores]");
}

void add_gates(Command& command, BenchOptions& options) {
  const auto add = [&](const char* name, std::optional<double>& value, const char* description) {
    check_number(from_environment(command.add_option(name, value, description)), {.least = 0, .most = 1e9})
        ->type_name("X")
        ->group("Gates");
  };
  add("--min-speedup", options.min_speedup,
      "Exit with 1 when the model is less than X times as fast as the baseline at any point");
  add("--max-latency-ms", options.max_latency_ms,
      "Exit with 1 when the model's median is above X ms at any point");
}

void add_models(Command& command, BenchOptions& options) {
  add_input_file(command, "MODEL", options.model, "TorchScript archive [the one that prune2to4.json names]");
  auto* baseline = add_input_file(command, "--baseline", options.baseline,
                                  "Dense model to hold against [a sparse model's own weights, run dense]");
  baseline->type_name("MODEL");
  from_environment(command.add_flag("--no-baseline", options.no_baseline, "Time the model by itself"))
      ->excludes(baseline);
  from_environment(
      command.add_option("--device", options.device, "auto, cpu or cuda[:N] [auto]")->type_name("NAME"));
  add_choice(command, "--dtype", options.dtype, {"keep", "fp32", "fp16", "bf16"},
             "Run in keep, fp32, fp16 or bf16 [keep; of a layer fp32, on a GPU fp16]");
  add_choice(command, "--padding", options.padding, {"keep", "remove"},
             "Whether the encoder engine computes padding: keep or remove [remove]");
  add_choice(command, "--engine", options.engine, {"auto", "interpreter"},
             "auto: the encoder engine where the model is recognised; or interpreter [auto]");
  from_environment(command.add_flag("--trust-model", options.trust_model,
                                    "Accept code in the archive that could touch files"));
}

}  // namespace

Command& setup_bench(CLI::App& app, BenchOptions& options) {
  Command& command = add_command(app, "bench", "Time a model by batch size, dense beside sparse");
  add_models(command, options);
  add_batches(command, options);
  add_layer(command, options);
  add_measuring(command, options);
  add_gates(command, options);
  add_output_options(command, options.results);
  command.footer(
      std::string("Without MODEL, it and every option not given come from prune2to4.json in this folder.\n\n"
                  "Examples:\n  prune2to4 bench bert.2to4.pt --dtype fp16\n"
                  "  prune2to4 bench bert.2to4.pt --lengths dev.safetensors --batch 64 --min-speedup 1.3\n"
                  "  prune2to4 bench --layer 3072x10240 --tokens 3072\n\n") +
      kExitStatuses);
  return command;
}

}  // namespace prune2to4
