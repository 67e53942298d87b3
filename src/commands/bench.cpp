// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>

#include <filesystem>
#include <optional>

#include "commands/bench_contest.h"
#include "commands/bench_logits.h"
#include "commands/clock.h"
#include "commands/evaluation_data.h"
#include "commands/gates.h"
#include "commands/model_files.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/bench.h"
#include "prune2to4/commands.h"
#include "prune2to4/device.h"
#include "prune2to4/error.h"
#include "prune2to4/log.h"
#include "prune2to4/process_memory.h"
#include "prune2to4/progress.h"

namespace prune2to4 {
namespace {

void check_options(const BenchOptions& options) {
  if (!options.model.empty() || !options.layer.empty()) return;
  throw Error(ExitStatus::kUsage, "bench",
              "no model: give MODEL.pt, or run where prune2to4.json names one (prune --save-settings writes "
              "it); --layer OUTxIN needs none");
}

std::vector<std::pair<std::string, std::string>> settings(const BenchOptions& options) {
  return {{"threads", std::to_string(at::get_num_threads())},
          {"dtype", options.dtype},
          {"padding", options.padding},
          {"engine", options.engine},
          {"repeats", std::to_string(options.measure.repeats)},
          {"min_seconds", format_number(options.measure.min_seconds, 6)},
          {"warmup_seconds", format_number(options.measure.warm_up_seconds, 6)},
          {"seed", std::to_string(options.seed)}};
}

BenchInput make_input(const BenchOptions& options, const Contestants& contestants, const BenchShapes& shapes,
                      const TokenizedSquad* data, int64_t batch, int64_t length) {
  if (data != nullptr) return file_input(*data, batch, length, shapes.windows);
  return random_input(batch, length, contestants.vocabulary(), options.seed);
}

void bench_files(const BenchOptions& options, at::Device device, std::optional<AtomicFile>& logits,
                 BenchReport& report) {
  std::optional<TokenizedSquad> file;
  if (!options.data.empty()) file.emplace(TokenizedSquad::read(options.data));
  const TokenizedSquad* data = file ? &*file : nullptr;
  Contestants contestants = load_contestants(options, device);
  const BenchShapes shapes = choose_shapes(options, contestants, data);
  report.models = contestants.models;
  if (data != nullptr) {
    report.data = BenchData{std::filesystem::path(options.data).filename().string(), sha256_of(data->bytes()),
                            shapes.windows, shapes.windows < data->windows()};
  }
  std::vector<Runner*> runners;
  for (Runner& runner : contestants.runners) runners.push_back(&runner);
  Progress progress("bench", static_cast<int64_t>(shapes.batches.size() * shapes.lengths.size()));
  for (const int64_t length : shapes.lengths) {
    for (const int64_t batch : shapes.batches) {
      const BenchInput input = make_input(options, contestants, shapes, data, batch, length);
      if (logits && report.points.empty()) write_logits(contestants.runners, input.batches.front(), *logits);
      report.points.push_back(
          bench_models(runners, input, contestants.size, options.measure, options.profile));
      progress.advance(point_name(report, report.points.back()));
    }
  }
  progress.finish();
}

void bench_layer(const BenchOptions& options, at::Device device, BenchReport& report) {
  const size_t by = options.layer.find('x');
  report.layer =
      BenchLayer{std::stoll(options.layer.substr(0, by)), std::stoll(options.layer.substr(by + 1))};
  std::vector<int64_t> tokens = options.tokens;
  if (tokens.empty()) {
    tokens =
        device.is_cpu() ? std::vector<int64_t>{384, 1536} : std::vector<int64_t>{1536, 6144, 24576, 98304};
  }
  const at::ScalarType dtype = chosen_dtype(options.dtype).value_or(device.is_cpu() ? at::kFloat : at::kHalf);
  const BenchLinear linear(*report.layer, device, dtype, options.seed);
  report.models = linear.models();
  Progress progress("bench", static_cast<int64_t>(tokens.size()));
  for (const int64_t each : tokens) {
    report.points.push_back(linear.run(each, options.measure));
    progress.advance(point_name(report, report.points.back()));
  }
  progress.finish();
}

std::optional<GpuState> state_of(at::Device device) {
  return device.is_cpu() ? std::nullopt : read_gpu_state(device.index());
}

void add_warnings(BenchReport& report) {
  if (const std::string spread = spread_warning(report); !spread.empty()) report.warnings.push_back(spread);
  if (report.models.size() < 2) return;
  const BenchModel& model = report.models[0];
  const BenchModel& baseline = report.models[1];
  if (model.dtype != baseline.dtype) {
    report.warnings.push_back(model.name + " runs in " + model.dtype + ", " + baseline.name + " in " +
                              baseline.dtype + "; --dtype makes them alike");
  }
  if (!model.sha256.empty() && model.sha256 == baseline.sha256) {
    report.warnings.push_back("--baseline names a copy of the model itself");
  }
}

void print(const BenchReport& report, const OutputOptions& results, std::optional<AtomicFile>& file,
           std::ostream& out) {
  for (const std::string& warning : report.warnings) log::warn(warning);
  if (file) {
    file->write(bench_json(report));
    file->commit();
  }
  out << bench_summary(report, results.format);
}

void bench(const BenchOptions& options, std::ostream& out) {
  check_options(options);
  const at::Device device = resolve_device(options.device);
  if (options.threads > 0) at::set_num_threads(options.threads);
  if (device.is_cpu()) keep_freed_memory();
  // Opened first, so that a place that cannot be written is known before the work is done.
  std::optional<AtomicFile> file;
  if (!options.results.export_json.empty()) file.emplace(options.results.export_json);
  std::optional<AtomicFile> logits;
  if (!options.export_logits.empty()) logits.emplace(options.export_logits);
  BenchReport report;
  report.command = options.command;
  report.started = utc_now();
  report.environment = environment();
  report.settings = settings(options);
  report.device = device.str();
  report.before = state_of(device);
  options.layer.empty() ? bench_files(options, device, logits, report) : bench_layer(options, device, report);
  report.after = state_of(device);
  add_warnings(report);
  report.gates = check_gates(options, report);
  if (logits) logits->commit();
  print(report, options.results, file, out);
  throw_missed(report.gates);
}

}  // namespace

void run_bench(const BenchOptions& options, std::ostream& out) {
  with_torch_errors("bench", [&] { bench(options, out); });
}

}  // namespace prune2to4
