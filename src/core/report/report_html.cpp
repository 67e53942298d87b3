// SPDX-License-Identifier: Apache-2.0
#include <cctype>
#include <kainjow/mustache.hpp>
#include <stdexcept>

#include "core/printable.h"
#include "core/report/calibration_section.h"
#include "core/report/evaluation_chart.h"
#include "core/report/html_template.h"
#include "core/report/layer_chart.h"
#include "core/report/permutation_section.h"
#include "core/report/sensitivity_chart.h"
#include "core/report/sensitivity_section.h"
#include "core/report/training_chart.h"
#include "core/report/training_section.h"
#include "core/report/view.h"
#include "prune2to4/report.h"

namespace prune2to4 {
namespace {

using kainjow::mustache::data;

using Fields = std::vector<std::pair<std::string, std::string>>;

data object(const Fields& fields) {
  data result(data::type::object);
  for (const auto& [key, value] : fields) result.set(key, printable(value));
  return result;
}

data pairs(const Fields& fields) {
  data list(data::type::list);
  for (const auto& [name, value] : fields) list << object({{"name", name}, {"value", value}});
  return list;
}

data layers_data(const Report& report) {
  data list(data::type::list);
  for (const auto& layer : report.layers) {
    list << object({{"name", layer.name},
                    {"shape", shape_of(layer)},
                    {"dtype", layer.dtype},
                    {"outcome", outcome_name(layer.outcome)},
                    {"zeros", zeros_of(layer)},
                    {"dense", format_bytes(layer.dense_bytes)},
                    {"stored", format_bytes(layer.stored_bytes)},
                    {"error", error_of(layer)},
                    {"output_error", output_error_of(layer)},
                    {"weight_norm_error", weight_norm_error_of(layer)},
                    {"rule", rule_of(layer)}});
  }
  return list;
}

data files_data(const Report& report) {
  data list(data::type::list);
  for (const auto& row : file_table(report).rows) {
    list << object({{"role", row[0]}, {"name", row[1]}, {"size", row[2]}, {"sha256", row[3]}});
  }
  return list;
}

data warnings_data(const Report& report) {
  data list(data::type::list);
  for (const auto& warning : report.warnings) list << object({{"text", warning}});
  return list;
}

// Sets "head" and "rows" for a table of text cells.
void set_table(data& view, const Table& table) {
  data head(data::type::list);
  for (const auto& column : table.columns) {
    std::string title = column.title;
    title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(title[0])));
    data cell = object({{"title", title}});
    cell.set("right", column.right);
    head << cell;
  }
  data rows(data::type::list);
  for (const auto& row : table.rows) {
    data cells(data::type::list);
    for (size_t i = 0; i < row.size(); ++i) {
      cells << object({{"css", table.columns[i].right ? "n" : "mono model"}, {"text", row[i]}});
    }
    rows << data("cells", cells);
  }
  view.set("head", head);
  view.set("rows", rows);
}

data section_data(const std::string& sentence, const std::string& chart, const Table& table) {
  data view = object({{"sentence", sentence}, {"chart", chart}});
  set_table(view, table);
  return view;
}

data training_data(const std::vector<TrainingRun>& runs) {
  data view = object({{"chart", training_chart(runs)}});
  data list(data::type::list);
  for (size_t i = 0; i < runs.size(); ++i) {
    data run = object({{"sentence", training_sentence(runs[i])}});
    if (const auto recipe = recipe_sentence(runs, i); !recipe.empty()) run.set("recipe", recipe);
    list << run;
  }
  view.set("runs", list);
  const Table table = training_table(runs, Format::kText);
  view.set("has_rows", !table.rows.empty());
  set_table(view, table);
  return view;
}

}  // namespace

std::string report_html(const Report& report) {
  data view = object({{"title", outcome_title(report)},
                      {"model", report.input.name},
                      {"started", report.started},
                      {"chart", layer_chart(report)},
                      {"command", command_line(report.command)}});
  // An absent key leaves its section out.
  if (const auto detail = outcome_detail(report); !detail.empty()) view.set("detail", detail);
  if (const auto probe = probe_sentence(report); !probe.empty()) view.set("probe", printable(probe));
  if (report.permutation) view.set("permutation", printable(permutation_sentence(report)));
  view.set("has_calibration", report.calibration.has_value());
  view.set("calibration", printable(calibration_sentence(report)));
  view.set("table", kainjow::mustache::partial([] { return kHtmlTable; }));
  if (const auto& each = report.sensitivity) {
    view.set("sensitivity",
             section_data(sensitivity_sentence(*each), sensitivity_chart(*each), sensitivity_table(*each)));
  }
  if (!report.training.empty()) view.set("training", training_data(report.training));
  if (const auto& each = report.evaluation) {
    view.set("evaluation", section_data(evaluation_sentence(*each), evaluation_chart(*each),
                                        evaluation_table(*each, Format::kText)));
  }
  Fields timing;
  for (const auto& [stage, seconds] : report.seconds) timing.emplace_back(stage, format_seconds(seconds));
  const bool with_layers = !is_finetune(report);
  view.set("has_totals", with_layers);
  view.set("totals", pairs(totals_rows(report)));
  view.set("has_warnings", !report.warnings.empty());
  view.set("warnings", warnings_data(report));
  view.set("has_layers", with_layers && !report.layers.empty());
  view.set("layers", layers_data(report));
  view.set("files", files_data(report));
  view.set("has_environment", !report.environment.empty());
  view.set("environment", pairs(report.environment));
  view.set("has_timing", !timing.empty());
  view.set("timing", pairs(timing));
  kainjow::mustache::mustache page(kHtmlTemplate);
  std::string html = page.render(view);
  if (!page.is_valid()) throw std::logic_error("report template: " + page.error_message());
  return html;
}

}  // namespace prune2to4
