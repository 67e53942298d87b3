// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"
#include "core/report/calibration_section.h"
#include "core/report/evaluation_chart.h"
#include "core/report/evaluation_section.h"
#include "core/report/permutation_section.h"
#include "core/report/sensitivity_section.h"
#include "core/report/training_section.h"
#include "core/report/view.h"
#include "prune2to4/report.h"

namespace prune2to4 {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string section(const std::string& title) { return "\n## " + title + "\n\n"; }

std::string pair_table(const std::string& name, const std::string& value, const Pairs& pairs, bool right) {
  Table table{{{name}, {value, right}}, {}};
  for (const auto& [key, text] : pairs) table.rows.push_back({key, text});
  return render(table, Format::kMarkdown);
}

// Indented code needs no fence that the text could close.
std::string code(const std::string& lines) {
  std::string text = "    ";
  for (const char c : lines) text += c == '\n' ? std::string("\n    ") : std::string(1, c);
  return text + "\n";
}

std::string evaluation_text(const Evaluation& evaluation) {
  std::string bars = evaluation_bars(evaluation);
  if (!bars.empty()) bars.pop_back();
  return section("Evaluation") + evaluation_section(evaluation, Format::kMarkdown) + "\n" + code(bars);
}

}  // namespace

std::string report_markdown(const Report& report) {
  std::string text = "# " + outcome_title(report) + "\n";
  if (const auto detail = outcome_detail(report); !detail.empty()) text += "\n" + detail + "\n";
  const bool with_layers = !is_finetune(report);
  text += with_layers ? section("Totals") + pair_table("total", "value", totals_rows(report), true) + "\n"
                      : section("Files");
  text += render(file_table(report), Format::kMarkdown);
  if (const auto probe = probe_sentence(report); !probe.empty()) {
    text += section("Probe") + escape_markdown(probe) + "\n";
  }
  if (!report.warnings.empty()) text += section("Warnings");
  for (const auto& warning : report.warnings) text += "- " + escape_markdown(warning) + "\n";
  if (report.permutation) {
    text += section("Permutation") + escape_markdown(permutation_sentence(report)) + "\n";
  }
  if (report.calibration) {
    text += section("Calibration") + escape_markdown(calibration_sentence(report)) + "\n";
  }
  if (report.sensitivity) {
    text += section("Sensitivity") + sensitivity_section(*report.sensitivity, Format::kMarkdown);
  }
  if (!report.training.empty()) {
    text += section("Training") + training_section(report.training, Format::kMarkdown);
  }
  if (report.evaluation) text += evaluation_text(*report.evaluation);
  if (with_layers)
    text += section("Layers") + render(layer_table(report, Format::kMarkdown), Format::kMarkdown);
  if (!report.environment.empty()) {
    text += section("Environment") + pair_table("part", "value", report.environment, false);
  }
  text += section("Command") + code(printable(command_line(report.command)));
  text += "\nStarted " + escape_markdown(report.started) + ".\n";
  Pairs timing;
  for (const auto& [stage, seconds] : report.seconds) timing.emplace_back(stage, format_seconds(seconds));
  if (!timing.empty()) text += section("Timing") + pair_table("stage", "time", timing, true);
  return text;
}

}  // namespace prune2to4
