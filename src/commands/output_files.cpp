// SPDX-License-Identifier: Apache-2.0
#include "commands/output_files.h"

#include "prune2to4/report_files.h"
#include "prune2to4/settings.h"
#include "prune2to4/train.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

void add_checkpoints(const TrainingOptions& options, const fs::path& output, std::vector<UsedFile>& files) {
  const auto add = [&](const std::string& role, const fs::path& path) {
    files.push_back({role, FileUse::kInputOutput, path, kCheckpointFormat});
  };
  const fs::path file = checkpoint_file(options, output, /*control=*/false);
  if (options.checkpoint.empty()) add("the checkpoint beside --output", file);
  add("the checkpoint's .previous", previous_checkpoint(file));
  if (!options.control) return;
  const fs::path control = checkpoint_file(options, output, /*control=*/true);
  add("the checkpoint of --control", control);
  add("the .previous checkpoint of --control", previous_checkpoint(control));
}

// A model's own, and what goes beside it.
std::vector<UsedFile> files_of_model(const std::string& option, const fs::path& output,
                                     const TrainingOptions& training) {
  std::vector<UsedFile> files;
  const auto add = [&](const std::string& role, const fs::path& path) {
    files.push_back({role, FileUse::kOutput, path});
  };
  if (option.empty()) add("the default of --output", output);
  if (has_reports(output)) {
    const ReportFiles reports = report_files(report_stem(output));
    for (const fs::path& report : {reports.html, reports.markdown, reports.json}) {
      add("the report beside --output", report);
    }
    if (!training.data.empty()) add("the plot beside --output", training_plot_file(output));
  }
  if (!training.data.empty()) add_checkpoints(training, output, files);
  return files;
}

}  // namespace

fs::path model_output(const std::string& output, const std::string& input, const std::string& suffix) {
  if (!output.empty()) return output;
  return (fs::path(input).parent_path() / fs::path(input).stem()).concat(suffix);
}

bool has_reports(const fs::path& output) {
  std::error_code ignored;
  return !descriptor_of(output) && (!fs::exists(output, ignored) || fs::is_regular_file(output, ignored));
}

fs::path report_stem(const fs::path& output) {
  fs::path stem = output;
  if (stem.extension() == ".pt") stem.replace_extension();
  return stem;
}

fs::path training_plot_file(const fs::path& output) { return report_stem(output).concat(".training.svg"); }

fs::path checkpoint_file(const TrainingOptions& options, const fs::path& output, bool control) {
  fs::path path = options.checkpoint;
  if (path.empty()) path = report_stem(output).concat(".checkpoint.safetensors");
  if (control) path.replace_extension(".control" + path.extension().string());
  return path;
}

std::vector<UsedFile> derived_files(const PruneOptions& options) {
  if (options.dry_run) return {};
  std::vector<UsedFile> files = files_of_model(
      options.output, model_output(options.output, options.model, kPrunedSuffix), options.training);
  if (options.save_settings) {
    files.push_back({"the file of --save-settings", FileUse::kInputOutput, Settings::kFileName});
  }
  return files;
}

std::vector<UsedFile> derived_files(const FinetuneOptions& options) {
  return files_of_model(options.output, model_output(options.output, options.model, kFinetunedSuffix),
                        options.training);
}

}  // namespace prune2to4
