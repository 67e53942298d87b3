// SPDX-License-Identifier: Apache-2.0
#include <c10/util/Exception.h>
#include <torch/csrc/jit/frontend/error_report.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "commands/clock.h"
#include "commands/evaluation_data.h"
#include "commands/provenance.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/commands.h"
#include "prune2to4/device.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/log.h"
#include "prune2to4/probe.h"
#include "prune2to4/prune_layers.h"
#include "prune2to4/report.h"
#include "prune2to4/settings.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

// Where a run writes; checked before any work is done.
struct Outputs {
  fs::path model;
  fs::path report;  // without ".report.json"; empty beside a device or a pipe
};

Outputs choose_outputs(const PruneOptions& options) {
  const fs::path input = options.model;
  fs::path model = options.output;
  if (model.empty()) {
    model = input.parent_path() / input.stem();
    model += ".2to4.pt";
  }
  std::error_code ignored;
  if (fs::equivalent(model, input, ignored)) {
    throw Error(ExitStatus::kUsage, "prune", "--output is the model itself; name another file");
  }
  fs::path report = model;
  if (report.extension() == ".pt") report.replace_extension();
  if (fs::exists(model, ignored) && !fs::is_regular_file(model, ignored)) report.clear();
  return {model, report};
}

// What prune2to4.json says already, with the model and data of this run.
Settings updated_settings(const PruneOptions& options, const Outputs& outputs) {
  Settings settings;
  std::error_code ignored;
  if (fs::exists(Settings::kFileName, ignored)) settings = read_settings(Settings::kFileName);
  settings.model = outputs.model.string();
  if (!options.eval.empty()) settings.commands["eval"]["data"] = options.eval;
  return settings;
}

// Seconds of each stage, into the report.
class Stages {
 public:
  explicit Stages(Report& report) : report_(report) {}
  void done(const std::string& stage) {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    report_.seconds.emplace_back(stage, seconds);
    log::debug(stage + ": " + format_number(seconds, 3) + " s");
    last_ = now;
    throw_if_interrupted();
  }

 private:
  Report& report_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Archive read_archive(const PruneOptions& options, Report& report) {
  Archive archive = Archive::read(options.model);
  gate_archive(archive, options.trust_model);
  report.input = {fs::path(options.model).filename().string(), static_cast<int64_t>(archive.bytes().size()),
                  archive.sha256()};
  if (const int64_t count = unverified_records(archive); count > 0) {
    report.warnings.push_back(
        std::to_string(count) +
        " record(s) of the archive carry no checksum, so damage to them cannot be seen");
  }
  return archive;
}

std::vector<LayerChoice> choose(const InlinedModel& model, const LayerConfig& config) {
  std::vector<std::string> names;
  for (const LinearLayer& linear : model.linears()) names.push_back(linear.name);
  auto choices = choose_layers(config, names, model.other_tensors());
  for (const LayerChoice& choice : choices) {
    if (choice.selected) return choices;
  }
  const std::string packed =
      model.packed_calls() > 0 ? " (the model has layers that are packed already)" : "";
  throw Error(ExitStatus::kUsage, "layers", "no layer is selected" + packed + "; name some with --config");
}

void convert(InlinedModel& model, const std::string& dtype) {
  if (dtype == "fp32") model.to(at::kFloat);
  if (dtype == "fp16") model.to(at::kHalf);
  if (dtype == "bf16") model.to(at::kBFloat16);
}

void note_separated(const InlinedModel& model, Report& report) {
  for (size_t i = 0; i < report.layers.size(); ++i) {
    const LayerReport& layer = report.layers[i];
    const auto& sharers = model.linears()[i].shares_with;
    if (!layer.mask || sharers.empty() || !layer.shares_with.empty()) continue;
    bool together = false;
    for (const LayerReport& other : report.layers) together |= other.shares_with == layer.name;
    if (together) continue;
    report.warnings.push_back("'" + layer.name + "' shared its memory with '" + sharers.front() +
                              "', which is not pruned with it: the sparse model holds both");
  }
}

Probe probe_masked(const InlinedModel& model, at::Device device, uint64_t seed) {
  return make_probe(model.rewrite({}, device), model.linears().front().weight.size(-1), device, seed);
}

// The packed model computes what the masked one does, up to the rounding of another summation order.
void check_difference(const OutputDifference& difference, at::ScalarType dtype) {
  const double tolerance = (dtype == at::kFloat ? 1e-3 : 5e-2) * std::max(1.0, difference.largest_value);
  if (difference.largest_difference <= tolerance) return;
  throw Error(ExitStatus::kModel, "compare",
              "the packed model's outputs differ from the masked dense model's by " +
                  format_number(difference.largest_difference) + "; nothing was written. Please report this");
}

ProbeReport compare(const torch::jit::Module& sparse, const Probe& probe, at::Device device, uint64_t seed) {
  ProbeReport report;
  report.batch = probe.batch;
  report.sequence = probe.sequence;
  report.device = device.str();
  report.reason = probe.failure;
  if (!probe.failure.empty()) return report;
  const std::vector<at::Tensor> outputs = run_probe(sparse, probe, seed);
  const OutputDifference difference = compare_outputs(probe.outputs, outputs);
  check_difference(difference, outputs.front().scalar_type());
  report.ran = true;
  report.dtype = dtype_name(outputs.front().scalar_type());
  report.largest_logit = difference.largest_value;
  report.largest_logit_difference = difference.largest_difference;
  return report;
}

void write_model(const torch::jit::Module& sparse, const fs::path& path, const ExtraRecords& extra,
                 AtomicFile& file, Report& report) {
  const std::string sha256 = save_model(sparse, extra, file);
  throw_if_interrupted();
  file.commit();
  report.output = {path.filename().string(), static_cast<int64_t>(file.size()), sha256};
}

void print(const Report& report, const OutputOptions& results, std::ostream& out) {
  for (const std::string& warning : report.warnings) log::warn(warning);
  if (!results.export_json.empty()) write_text_file(results.export_json, report_json(report));
  out << report_summary(report, results.format);
}

void prune(const PruneOptions& options, std::ostream& out) {
  const Outputs outputs = choose_outputs(options);
  const at::Device device = options.dry_run ? at::Device(at::kCPU) : resolve_device(options.device);
  const LayerConfig config =
      options.config.empty() ? default_layer_config() : read_layer_config(options.config);
  // Opened first, so that a place that cannot be written is known before the work is done.
  std::optional<AtomicFile> file;
  if (!options.dry_run) file.emplace(outputs.model);
  std::optional<Settings> settings;
  if (options.save_settings) settings = updated_settings(options, outputs);
  std::optional<EvaluationInput> questions;
  if (!options.eval.empty()) questions.emplace(options.eval, options.eval_limit);
  Report report;
  report.command = options.command;
  report.started = utc_now();
  report.dry_run = options.dry_run;
  report.environment = environment();
  Stages stages(report);

  Archive archive = read_archive(options, report);
  ExtraRecords extra = extra_records(archive);
  stages.done("verify");
  InlinedModel model(load_model(std::move(archive)), options.trust_model);
  report.warnings.insert(report.warnings.end(), model.warnings().begin(), model.warnings().end());
  stages.done("load");
  const auto evaluate = [&](const std::string& name, const std::map<std::string, c10::IValue>& packed) {
    if (!questions) return;
    if (!report.evaluation) report.evaluation = Evaluation{questions->describe(), {}};
    report.evaluation->models.push_back(
        evaluate_stage(name, model.rewrite(packed, device), device, questions->questions()));
    stages.done("evaluate " + name);
  };
  const std::vector<LayerChoice> choices = choose(model, config);
  evaluate("dense", {});
  report.layers = mask_layers(model, choices, options.allow_nonfinite);
  convert(model, options.dtype);
  check_layers(model, options.allow_nonfinite, report.layers);
  note_separated(model, report);
  stages.done("mask");
  if (options.dry_run) return print(report, options.results, out);

  evaluate("masked", {});
  const Probe probe = probe_masked(model, device, options.seed);
  stages.done("run masked");
  const auto packed = pack_layers(model, report.layers);
  stages.done("pack");
  report.probe = compare(model.rewrite(packed, device), probe, device, options.seed);
  stages.done("run packed");
  evaluate("packed", packed);
  extra[kProvenanceRecord] = provenance_json(report, config);
  write_model(model.rewrite(packed), outputs.model, extra, *file, report);
  stages.done("write");
  if (!outputs.report.empty()) write_report(report, outputs.report);
  if (settings) write_text_file(Settings::kFileName, settings_json(*settings));
  print(report, options.results, out);
  const std::string beside =
      outputs.report.empty() ? "" : " and " + outputs.report.string() + ".report.{json,md,html}";
  log::info("wrote " + outputs.model.string() + beside);
}

}  // namespace

void run_prune(const PruneOptions& options, std::ostream& out) {
  try {
    prune(options, out);
  } catch (const c10::OutOfMemoryError& error) {
    throw Error(ExitStatus::kDevice, "device", error.what_without_backtrace());
  } catch (const torch::jit::ErrorReport& error) {  // LibTorch compiles a method when it is first asked for
    throw Error(ExitStatus::kModel, "model", std::string("the archive's code is wrong: ") + error.what());
  } catch (const c10::Error& error) {
    log::debug(error.what());
    throw Error(ExitStatus::kModel, "prune", error.what_without_backtrace());
  }
}

}  // namespace prune2to4
