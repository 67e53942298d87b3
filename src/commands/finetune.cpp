// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>

#include <filesystem>
#include <optional>

#include "commands/clock.h"
#include "commands/model_files.h"
#include "commands/output_files.h"
#include "commands/stages.h"
#include "commands/training.h"
#include "prune2to4/commands.h"
#include "prune2to4/error.h"
#include "prune2to4/log.h"
#include "prune2to4/model.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/prune_layers.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

// F1 that fine-tuning a model once more may cost without a warning: seeds differ by as much.
constexpr double kFinetuneTolerance = 1;

// Every linear layer, none of them pruned.
std::vector<LayerReport> dense_layers(const InlinedModel& model) {
  std::vector<LayerReport> layers;
  for (const LinearLayer& linear : model.linears()) {
    LayerReport layer;
    layer.name = linear.name;
    layers.push_back(layer);
  }
  check_layers(model, /*allow_nonfinite=*/true, layers);
  return layers;
}

// Training ended with finite weights in fp32, which may still be too large for a model in fp16.
void check_converted(const InlinedModel& model, at::ScalarType dtype) {
  for (const NamedTensor& each : forward_parameters(model.rewrite({}))) {
    if (at::isfinite(each.tensor).all().item<bool>()) continue;
    throw Error(ExitStatus::kDiverged, "train",
                "the trained '" + each.name + "' does not fit into the model's dtype, " +
                    c10::toString(dtype) + "; lower --learning-rate, or give the model in fp32");
  }
}

void finetune(const FinetuneOptions& options, std::ostream& out) {
  const fs::path output = model_output(options.output, options.model, kFinetunedSuffix);
  Ranks ranks = join_ranks(options.device);
  std::optional<AtomicFile> file;
  if (ranks.first()) file.emplace(output);
  Training training(options.training, options.seed, ranks, output);
  std::optional<EvaluationInput> questions;
  if (!options.eval.empty()) questions.emplace(options.eval, options.eval_limit);
  Report report;
  report.command = options.command;
  report.started = utc_now();
  report.environment = environment();
  Stages stages(report);

  Archive archive = read_model_archive(options.model, options.trust_model, report);
  ExtraRecords extra = extra_records(archive);
  InlinedModel model(load_model(std::move(archive)), options.trust_model);
  report.warnings.insert(report.warnings.end(), model.warnings().begin(), model.warnings().end());
  if (model.packed_calls() > 0) {
    throw Error(
        ExitStatus::kModel, "finetune",
        "the model has packed layers, which cannot be trained; give the dense model to prune --train");
  }
  const at::ScalarType dtype = model.linears().front().weight.scalar_type();
  model.to(at::kFloat);
  stages.done("load");
  torch::jit::Module module = model.rewrite({});
  const auto evaluate = [&](const std::string& name) {
    if (!questions) return;
    if (!report.evaluation) report.evaluation = Evaluation{questions->describe(), {}};
    report.evaluation->models.push_back(evaluate_stage(name, model.rewrite({}, ranks.device), ranks.device,
                                                       questions->questions(), ranks.comm.get()));
    stages.done("evaluate " + name);
  };
  training.begin(module, report.input.sha256, /*self_teacher=*/false, options.trust_model);
  evaluate("as given");
  training.run("dense", module, {}, questions ? &*questions : nullptr, report);
  stages.done("train");
  model.to(dtype);
  check_converted(model, dtype);
  report.layers = dense_layers(model);
  evaluate("fine-tuned");
  compare_scores("as given", "fine-tuned", kFinetuneTolerance, report);
  if (!ranks.first()) return;
  write_model(model.rewrite({}), output, extra, *file, report);
  stages.done("write");
  const std::string reports = write_reports(report, output);
  training.remove_checkpoints();
  print_results(report, options.results, out);
  log::info("wrote " + output.string() + reports);
}

}  // namespace

void run_finetune(const FinetuneOptions& options, std::ostream& out) {
  with_torch_errors("finetune", [&] { finetune(options, out); });
}

}  // namespace prune2to4
