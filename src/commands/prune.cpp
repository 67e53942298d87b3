// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <optional>

#include "commands/calibration.h"
#include "commands/clock.h"
#include "commands/compare_packed.h"
#include "commands/evaluation_data.h"
#include "commands/layer_selection.h"
#include "commands/model_files.h"
#include "commands/output_files.h"
#include "commands/sensitivity.h"
#include "commands/stages.h"
#include "commands/training.h"
#include "prune2to4/commands.h"
#include "prune2to4/error.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/log.h"
#include "prune2to4/permute_channels.h"
#include "prune2to4/prune_layers.h"
#include "prune2to4/report.h"
#include "prune2to4/settings.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

// What prune2to4.json says already, with the model and data of this run.
Settings updated_settings(const PruneOptions& options, const fs::path& output) {
  Settings settings;
  std::error_code ignored;
  if (fs::exists(Settings::kFileName, ignored)) settings = read_settings(Settings::kFileName);
  settings.model = output.string();
  if (!options.eval.empty()) settings.commands["eval"]["data"] = options.eval;
  return settings;
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

// The weights that are held under masks, each once.
std::vector<PrunedWeight> pruned_weights(const std::vector<LayerReport>& layers) {
  std::vector<PrunedWeight> pruned;
  for (const LayerReport& layer : layers) {
    if (layer.mask && layer.shares_with.empty()) pruned.push_back({layer.name, *layer.mask});
  }
  return pruned;
}

// One run of the command, stage by stage.
class PruneRun {
 public:
  explicit PruneRun(const PruneOptions& options)
      : options_(options),
        output_(model_output(options.output, options.model, kPrunedSuffix)),
        ranks_(join_ranks(options.dry_run ? "cpu" : options.device)),
        sensitivity_(wants_sensitivity(options)),
        config_(options.config.empty() ? default_layer_config() : read_layer_config(options.config)),
        stages_(report_) {
    // Opened first, so that a place that cannot be written is known before the work is done.
    if (!options.dry_run && ranks_.first()) file_.emplace(output_);
    if (options.save_settings) settings_ = updated_settings(options, output_);
    if (!options.eval.empty()) questions_.emplace(options.eval, options.eval_limit);
    check_method(options);
    if (!options.calibrate.empty()) calibration_.emplace(options);
    if (!options.training.data.empty()) training_.emplace(options.training, options.seed, ranks_, output_);
    report_.command = options.command;
    report_.started = utc_now();
    report_.dry_run = options.dry_run;
    report_.environment = environment();
  }

  void run(std::ostream& out) {
    try {
      run_stages(out);
    } catch (const Error& error) {
      // They may say why it failed.
      for (const std::string& warning : report_.warnings) {
        if (std::string_view(error.what()).find(warning) == std::string_view::npos) log::warn(warning);
      }
      throw;
    }
  }

 private:
  using Packed = std::map<std::string, c10::IValue>;

  void run_stages(std::ostream& out) {
    Archive archive = read_model_archive(options_.model, options_.trust_model, report_);
    extra_ = extra_records(archive);
    examples_ = traced_inputs(archive);
    stages_.done("verify");
    InlinedModel model(load_model(std::move(archive)), options_.trust_model);
    report_.warnings.insert(report_.warnings.end(), model.warnings().begin(), model.warnings().end());
    stages_.done("load");
    const std::vector<LayerChoice> choices =
        select_layers(model, config_, options_.allow_unpacked, report_.warnings);
    if (!options_.dry_run && (options_.require_comparison || !options_.probe.empty())) {
      require_comparison(probe_of(model));  // Known before the work is done.
    }
    permute(model, choices);
    training_ ? mask_and_train(model, choices) : mask(model, choices);
    if (options_.dry_run) return print_results(report_, options_.results, out);
    const auto packed = pack(model);
    if (ranks_.first()) write(model, packed, out);
  }

  const EvaluationInput* questions() const { return questions_ ? &*questions_ : nullptr; }

  void evaluate(const std::string& name, const torch::jit::Module& module) {
    if (!questions_) return;
    if (!report_.evaluation) report_.evaluation = Evaluation{questions_->describe(), {}};
    report_.evaluation->models.push_back(
        evaluate_stage(name, module, ranks_.device, questions_->questions(), ranks_.comm.get()));
    stages_.done("evaluate " + name);
  }
  void evaluate(const std::string& name, const InlinedModel& model, const Packed& packed = {}) {
    if (questions_) evaluate(name, model.rewrite(packed, ranks_.device));
  }

  void permute(InlinedModel& model, const std::vector<LayerChoice>& choices) {
    if (!options_.permute && !is_thorough(options_)) return;
    try {
      report_.permutation = permute_channels(model, choices, options_.seed);
    } catch (const Error& error) {
      if (options_.permute || error.status() != ExitStatus::kModel) throw;
      const std::string why = error.what();
      log::info("calibrating without reordered channels: " + why.substr(0, why.rfind(';')));
    }
    stages_.done("permute");
  }

  CalibratedWeights calibrate(const InlinedModel& model, const std::vector<LayerChoice>& choices,
                              bool sequential) {
    CalibratedWeights weights = calibration_->run(model, choices, sequential, ranks_, report_);
    stages_.done("calibrate");
    return weights;
  }

  void mask_chosen(InlinedModel& model, std::vector<LayerChoice> choices) {
    CalibratedWeights calibrated;
    const bool sequential = calibration_ && calibration_->sequential();
    if (sensitivity_) {
      check_skip_worst(options_.skip_worst, pruned_groups(model, choices).size());
      // Each layer is measured in the dense model: weights for pruned inputs would not fit it.
      if (calibration_) calibrated = calibrate(model, choices, /*sequential=*/false);
      measure_costs(options_, model, calibrated, questions(), calibration_ ? &*calibration_ : nullptr, ranks_,
                    choices, report_);
      stages_.done("sensitivity");
    }
    if (calibration_ && (sequential || !sensitivity_)) calibrated = calibrate(model, choices, sequential);
    report_.layers = mask_layers(model, choices, options_.allow_nonfinite, calibrated);
  }

  void mask(InlinedModel& model, const std::vector<LayerChoice>& choices) {
    evaluate("dense", model);
    mask_chosen(model, choices);
    if (const auto dtype = chosen_dtype(options_.dtype)) model.to(*dtype);
    finish_masks(model);
    stages_.done("mask");
    if (!options_.dry_run) evaluate("masked", model);
  }

  void mask_and_train(InlinedModel& model, const std::vector<LayerChoice>& choices) {
    const at::ScalarType dtype = model.linears().front().weight.scalar_type();
    model.to(at::kFloat);
    const torch::jit::Module dense = model.rewrite({}).clone();
    training_->begin(dense, report_.input.sha256, /*self_teacher=*/true, options_.trust_model);
    const bool gradual = training_->recipe().mask_policy == MaskPolicy::kGradual;
    if (gradual && calibration_) {
      throw Error(
          ExitStatus::kUsage, "prune",
          "--mask-policy gradual begins with the dense weights, and would drop what --calibrate made; "
          "leave one of them out");
    }
    evaluate("dense", model);
    if (options_.training.control) train_control(dense);
    mask_chosen(model, choices);
    stages_.done("mask");
    evaluate("masked", model);
    // Gradual masks begin with the dense weights.
    torch::jit::Module target = model.rewrite({});
    torch::jit::Module module = (gradual ? dense : target).clone();
    training_->run("sparse", module, pruned_weights(report_.layers), questions(), report_);
    copy_parameters(module, target);
    stages_.done("train");
    model.to(chosen_dtype(options_.dtype).value_or(dtype));
    finish_masks(model);
    evaluate("fine-tuned", model);
    compare_scores("masked", "fine-tuned", /*tolerance=*/0, report_);
  }

  // The dense model for the same budget and by the same teacher.
  void train_control(const torch::jit::Module& dense) {
    torch::jit::Module module = dense.clone();
    training_->run("dense + same budget", module, {}, questions(), report_);
    stages_.done("train control");
    module.to(ranks_.device);
    evaluate("dense + same budget", module);
  }

  void finish_masks(InlinedModel& model) {
    check_layers(model, options_.allow_nonfinite, report_.layers);
    if (!options_.allow_unpacked) require_packed(report_.layers);
    note_separated(model, report_);
  }

  Probe probe_of(const InlinedModel& model) const {
    return probe_masked(model, examples_, options_.probe, ranks_.device, options_.seed);
  }

  void require_comparison(const Probe& probe) const {
    if (probe.failure.empty() || !options_.require_comparison) return;
    throw Error(ExitStatus::kModel, "compare", not_compared(probe));
  }

  Packed pack(InlinedModel& model) {
    const Probe probe = probe_of(model);
    require_comparison(probe);
    if (!probe.failure.empty()) report_.warnings.push_back(not_compared(probe));
    stages_.done("run masked");
    Packed packed = pack_layers(model, report_.layers);
    stages_.done("pack");
    report_.probe = compare_packed(model.rewrite(packed, ranks_.device), probe, ranks_.device, options_.seed);
    report_.probe->source = fs::path(options_.probe).filename().string();
    stages_.done("run packed");
    evaluate("packed", model, packed);
    return packed;
  }

  void write(const InlinedModel& model, const Packed& packed, std::ostream& out) {
    extra_[kProvenanceRecord] = provenance_json(report_, config_);
    write_model(model.rewrite(packed), output_, extra_, *file_, report_);
    stages_.done("write");
    const std::string reports = write_reports(report_, output_);
    if (settings_) write_text_file(Settings::kFileName, settings_json(*settings_));
    if (training_) training_->remove_checkpoints();
    print_results(report_, options_.results, out);
    log::info("wrote " + output_.string() + reports);
  }

  const PruneOptions& options_;
  fs::path output_;
  Ranks ranks_;
  bool sensitivity_;
  LayerConfig config_;
  std::optional<AtomicFile> file_;
  std::optional<Settings> settings_;
  std::optional<EvaluationInput> questions_;
  std::optional<Calibration> calibration_;
  std::optional<Training> training_;
  Report report_;
  Stages stages_;
  ExtraRecords extra_;
  Examples examples_;
};

}  // namespace

void run_prune(const PruneOptions& options, std::ostream& out) {
  with_torch_errors("prune", [&] { PruneRun(options).run(out); });
}

}  // namespace prune2to4
