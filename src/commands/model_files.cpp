// SPDX-License-Identifier: Apache-2.0
#include "commands/model_files.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/frontend/error_report.h>

#include "commands/output_files.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/log.h"
#include "prune2to4/model.h"

namespace prune2to4 {

namespace fs = std::filesystem;

Archive read_model_archive(const std::string& path, bool trust_model, Report& report) {
  Archive archive = Archive::read(path);
  gate_archive(archive, trust_model);
  report.input = {fs::path(path).filename().string(), static_cast<int64_t>(archive.bytes().size()),
                  archive.sha256()};
  if (const int64_t count = unverified_records(archive); count > 0) {
    report.warnings.push_back(
        std::to_string(count) +
        " record(s) of the archive carry no checksum, so damage to them cannot be seen");
  }
  return archive;
}

std::optional<at::ScalarType> chosen_dtype(const std::string& name) {
  if (name == "fp32") return at::kFloat;
  if (name == "fp16") return at::kHalf;
  if (name == "bf16") return at::kBFloat16;
  return std::nullopt;
}

void write_model(const torch::jit::Module& module, const fs::path& path, const ExtraRecords& extra,
                 AtomicFile& file, Report& report) {
  const std::string sha256 = save_model(module, extra, file);
  throw_if_interrupted();
  file.commit();
  report.output = {path.filename().string(), static_cast<int64_t>(file.size()), sha256};
}

void print_results(const Report& report, const OutputOptions& results, std::ostream& out) {
  for (const std::string& warning : report.warnings) log::warn(warning);
  if (!results.export_json.empty()) write_text_file(results.export_json, report_json(report));
  out << report_summary(report, results.format);
}

std::string write_reports(const Report& report, const fs::path& model) {
  if (!has_reports(model)) return "";
  const fs::path stem = report_stem(model);
  std::string written = " and " + stem.string() + ".report.{json,md,html}";
  if (!report.training.empty()) {
    const fs::path plot = training_plot_file(model);
    write_text_file(plot, training_plot(report.training));
    written += ", " + plot.string();
  }
  write_report(report, stem);
  return written;
}

void with_torch_errors(const std::string& command, const std::function<void()>& body) {
  try {
    body();
  } catch (const c10::OutOfMemoryError& error) {
    throw Error(ExitStatus::kDevice, "device", error.what_without_backtrace());
  } catch (const torch::jit::ErrorReport& error) {  // LibTorch compiles a method when it is first asked for
    throw Error(ExitStatus::kModel, "model", std::string("the archive's code is wrong: ") + error.what());
  } catch (const c10::Error& error) {
    log::debug(error.what());
    throw Error(ExitStatus::kModel, command, error.what_without_backtrace());
  }
}

}  // namespace prune2to4
