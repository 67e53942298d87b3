// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "core/printable.h"
#include "core/report/calibration_section.h"
#include "core/report/evaluation_section.h"
#include "core/report/permutation_section.h"
#include "core/report/sensitivity_section.h"
#include "core/report/training_section.h"
#include "core/report/view.h"
#include "prune2to4/report.h"

namespace prune2to4 {
namespace {

// A number that is none is an empty field.
std::string raw(double value) { return std::isfinite(value) ? format_number(value, 9) : ""; }

Table raw_layer_table(const Report& report) {
  Table table{{{"layer"},
               {"rows"},
               {"cols"},
               {"dtype"},
               {"outcome"},
               {"zeros"},
               {"negative_zeros"},
               {"dense_bytes"},
               {"stored_bytes"},
               {"relative_error"},
               {"rule"},
               {"reason"},
               {"shares_with"},
               {"output_error"},
               {"weight_norm_output_error"}},
              {}};
  for (const auto& layer : report.layers) {
    table.rows.push_back({layer.name, std::to_string(layer.rows), std::to_string(layer.cols), layer.dtype,
                          outcome_name(layer.outcome), std::to_string(layer.zeros),
                          std::to_string(layer.negative_zeros), std::to_string(layer.dense_bytes),
                          std::to_string(layer.stored_bytes), raw(layer.relative_error), layer.rule,
                          layer.reason, layer.shares_with,
                          layer.output_error ? raw(layer.output_error->chosen) : "",
                          layer.output_error ? raw(layer.output_error->weight_norm) : ""});
  }
  return table;
}

std::string layers_and_totals(const Report& report, Format format) {
  Table sums{{{"totals"}, {"", true}}, {}};
  for (const auto& [name, value] : totals_rows(report)) sums.rows.push_back({name, value});
  return "\n" + render(layer_table(report, format), format) + "\n" + render(sums, format);
}

// The outcome, the layers, the totals, the probe, the training and the evaluation, as text or Markdown.
std::string summary(const Report& report, Format format) {
  const auto plain = [&](const std::string& text) {
    return format == Format::kMarkdown ? escape_markdown(text) : printable(text);
  };
  const std::string detail = outcome_detail(report);
  std::string text = plain(outcome_title(report) + "." + (detail.empty() ? "" : " " + detail)) + "\n";
  if (!is_finetune(report)) text += layers_and_totals(report, format);
  if (const auto probe = probe_sentence(report); !probe.empty()) text += "\n" + plain(probe) + "\n";
  if (report.permutation) text += "\n" + plain(permutation_sentence(report)) + "\n";
  if (report.calibration) text += "\n" + plain(calibration_sentence(report)) + "\n";
  if (report.sensitivity) text += "\n" + sensitivity_section(*report.sensitivity, format);
  if (!report.training.empty()) text += "\n" + training_section(report.training, format);
  if (report.evaluation) text += "\n" + evaluation_section(*report.evaluation, format);
  return text;
}

}  // namespace

Table layer_table(const Report& report, Format format) {
  if (format == Format::kCsv) return raw_layer_table(report);
  Table table{{{"layer"},
               {"shape", true},
               {"dtype"},
               {"result"},
               {"zeros", true},
               {"dense", true},
               {"stored", true},
               {"rel. error", true}},
              {}};
  if (report.calibration) {
    table.columns.push_back({"output error", true});
    table.columns.push_back({"by weight norm", true});
  }
  table.columns.push_back({"rule"});
  for (const auto& layer : report.layers) {
    table.rows.push_back({layer.name, shape_of(layer), layer.dtype, outcome_name(layer.outcome),
                          zeros_of(layer), format_bytes(layer.dense_bytes), format_bytes(layer.stored_bytes),
                          error_of(layer)});
    auto& row = table.rows.back();
    if (report.calibration) row.insert(row.end(), {output_error_of(layer), weight_norm_error_of(layer)});
    row.push_back(rule_of(layer));
  }
  return table;
}

std::string report_summary(const Report& report, Format format) {
  switch (format) {
    case Format::kText:
    case Format::kMarkdown:
      return summary(report, format);
    case Format::kCsv:
      return render(is_finetune(report) ? training_table(report.training, Format::kCsv)
                                        : layer_table(report, Format::kCsv),
                    Format::kCsv);
    case Format::kJson:
      return report_json(report);
  }
  return report_json(report);
}

}  // namespace prune2to4
