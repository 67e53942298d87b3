// SPDX-License-Identifier: Apache-2.0
#include "core/report/sensitivity_section.h"

#include <algorithm>
#include <cmath>

#include "core/printable.h"
#include "core/report/view.h"

namespace prune2to4 {
namespace {

std::string loss_of(const SensitivityReport& sensitivity, const LayerCost& layer) {
  if (!layer.f1 || !sensitivity.dense_f1) return "-";
  return fixed(*sensitivity.dense_f1 - *layer.f1, 2);
}

std::string error_of(double value) { return std::isfinite(value) ? format_number(value, 3) : "-"; }

}  // namespace

std::string sensitivity_sentence(const SensitivityReport& sensitivity) {
  std::string text = "Each layer pruned alone by " + sensitivity.method + ", on " +
                     grouped(sensitivity.windows) + " windows of " + sensitivity.data + ", in " +
                     format_seconds(sensitivity.seconds);
  if (sensitivity.dense_f1) text += "; dense F1 " + fixed(*sensitivity.dense_f1, 2);
  const auto skipped = std::count_if(sensitivity.layers.begin(), sensitivity.layers.end(),
                                     [](const LayerCost& layer) { return layer.skipped; });
  if (skipped > 0) {
    text += skipped == 1 ? "; the worst one stays dense" : "; the worst " + grouped(skipped) + " stay dense";
  }
  return single_line(text + ".");
}

Table sensitivity_table(const SensitivityReport& sensitivity) {
  const bool scored = sensitivity.dense_f1.has_value();
  Table table{{{"layer"}}, {}};
  if (scored) table.columns.insert(table.columns.end(), {{"F1", true}, {"F1 lost", true}});
  table.columns.insert(table.columns.end(), {{"divergence", true}, {"logit error", true}, {"result"}});
  for (const LayerCost& layer : sensitivity.layers) {
    std::vector<std::string> row{layer.name};
    if (scored) row.insert(row.end(), {layer.f1 ? fixed(*layer.f1, 2) : "-", loss_of(sensitivity, layer)});
    row.insert(row.end(),
               {error_of(layer.divergence), error_of(layer.logit_error), layer.skipped ? "dense" : "pruned"});
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string sensitivity_section(const SensitivityReport& sensitivity, Format format) {
  const std::string sentence = sensitivity_sentence(sensitivity);
  return (format == Format::kMarkdown ? escape_markdown(sentence) : printable(sentence)) + "\n\n" +
         render(sensitivity_table(sensitivity), format);
}

}  // namespace prune2to4
