// SPDX-License-Identifier: Apache-2.0
#include "core/report/sensitivity_chart.h"

#include <algorithm>

#include "core/report/axis.h"
#include "core/report/sensitivity_section.h"
#include "core/report/svg.h"
#include "core/report/view.h"

namespace prune2to4 {
namespace {

// Lengths in SVG user units.
constexpr int kWidth = 960;
constexpr int kHeader = 46;
constexpr int kRow = 22;
constexpr int kBar = 12;
constexpr int kBarsX = 334;
constexpr int kBarsWidth = 480;
constexpr int kLabelGap = 7;
constexpr int kTicks = 4;
constexpr size_t kNameWidth = 48;  // characters

// What the bars show of a layer, and how it is written.
struct Cost {
  double value = 0;
  std::string label;
};

Cost cost_of(const SensitivityReport& sensitivity, const LayerCost& layer) {
  if (!sensitivity.dense_f1 || !layer.f1) return {layer.divergence, format_number(layer.divergence, 3)};
  const double lost = *sensitivity.dense_f1 - *layer.f1;
  return {lost, fixed(lost, 2)};
}

Axis cost_axis(const SensitivityReport& sensitivity) {
  double low = 0;
  double high = 0;
  for (const LayerCost& layer : sensitivity.layers) {
    const double value = cost_of(sensitivity, layer).value;
    if (!drawable(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  return nice_axis(low, high, kTicks);
}

double place(const Axis& axis, double value) { return kBarsX + axis.share(value) * kBarsWidth; }

std::string row(const SensitivityReport& sensitivity, const LayerCost& layer, const Axis& axis, double top) {
  const double baseline = top + kRow / 2.0 + 4;
  const Cost cost = cost_of(sensitivity, layer);
  const std::string label = (drawable(cost.value) ? cost.label : "-") + (layer.skipped ? ", kept dense" : "");
  std::string svg = "<g><title>" + escape_html(layer.name) + ": " + label + "</title>";
  svg += svg_rect(0, top, kWidth, kRow, "hit");
  svg += svg_text(0, baseline, "name", layer_label(layer.name, kNameWidth));
  double end = place(axis, 0);
  if (drawable(cost.value)) {
    const double from = std::min(end, place(axis, cost.value));
    end = std::max(end, place(axis, cost.value));
    if (end > from) {
      svg += svg_rect(from, top + (kRow - kBar) / 2.0, end - from, kBar, layer.skipped ? "dense" : "stored");
    }
  }
  return svg + svg_text(end + kLabelGap, baseline, "value", label) + "</g>\n";
}

std::string header(const SensitivityReport& sensitivity, const Axis& axis, int height) {
  const char* what = sensitivity.dense_f1 ? "F1 lost, points:" : "KL divergence from the dense model, nats:";
  constexpr int kLegendX = 640;
  std::string svg = svg_text(0, 17, "head", "Layer pruned alone") + svg_text(kBarsX, 17, "head", what);
  svg += svg_legend(kLegendX, "stored", "pruned") + svg_legend(kLegendX + 74, "dense", "kept dense");
  for (const double tick : axis.ticks) {
    svg += svg_text(place(axis, tick), 38, "axis middle", format_number(tick, 3));
    svg += svg_grid_line(place(axis, tick), kHeader - 4, height);
  }
  return svg + "\n";
}

}  // namespace

std::string sensitivity_chart(const SensitivityReport& sensitivity) {
  if (sensitivity.layers.empty()) return "";
  const Axis axis = cost_axis(sensitivity);
  const int height = kHeader + kRow * static_cast<int>(sensitivity.layers.size()) + 2;
  std::string svg = "<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(height) +
                    "\" role=\"img\" aria-labelledby=\"cost-title cost-desc\">\n"
                    "<title id=\"cost-title\">What each layer costs</title>\n<desc id=\"cost-desc\">" +
                    escape_html(sensitivity_sentence(sensitivity)) +
                    " The table below holds the same numbers.</desc>\n";
  svg += header(sensitivity, axis, height);
  double top = kHeader;
  for (const LayerCost& layer : sensitivity.layers) {
    svg += row(sensitivity, layer, axis, top);
    top += kRow;
  }
  return svg + "</svg>\n";
}

}  // namespace prune2to4
