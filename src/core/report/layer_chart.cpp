// SPDX-License-Identifier: Apache-2.0
#include "core/report/layer_chart.h"

#include <algorithm>

#include "core/report/svg.h"
#include "core/report/view.h"

namespace prune2to4 {
namespace {

// Lengths in SVG user units.
constexpr int kWidth = 960;
constexpr int kHeader = 46;
constexpr int kRow = 22;
constexpr int kBar = 12;
constexpr int kZerosX = 334;
constexpr int kZerosWidth = 160;
constexpr int kBytesX = 564;
constexpr int kBytesWidth = 260;
constexpr int kLabelGap = 7;
constexpr size_t kNameWidth = 48;  // characters

double share(int64_t part, int64_t whole) {
  return whole > 0 ? std::clamp(static_cast<double>(part) / static_cast<double>(whole), 0.0, 1.0) : 0.0;
}

std::string bytes_label(const LayerReport& layer) {
  if (layer.outcome == LayerReport::Outcome::kDense) return format_bytes(layer.dense_bytes) + ", dense";
  if (layer.outcome == LayerReport::Outcome::kMasked) return format_bytes(layer.dense_bytes) + ", masked";
  return format_bytes(layer.dense_bytes) + " \u2192 " + format_bytes(layer.stored_bytes);
}

std::string row(const LayerReport& layer, int64_t most_bytes, double top) {
  const double bar_top = top + (kRow - kBar) / 2.0;
  const double baseline = top + kRow / 2.0 + 4;
  const std::string zeros = zeros_of(layer);
  std::string svg = "<g><title>" + escape_html(layer.name) + ": " + shape_of(layer) + ", zeros " + zeros +
                    ", " + bytes_label(layer) + "</title>";
  svg += svg_rect(0, top, kWidth, kRow, "hit");
  svg += svg_text(0, baseline, "name", layer_label(layer.name, kNameWidth));
  svg += svg_rect(kZerosX, bar_top, kZerosWidth, kBar, "track");
  const double zero_share = share(layer.zeros, layer.rows * layer.cols);
  if (zero_share > 0) svg += svg_rect(kZerosX, bar_top, zero_share * kZerosWidth, kBar, "zeros");
  svg += svg_text(kZerosX + kZerosWidth + kLabelGap, baseline, "value", zeros);
  const double dense = share(layer.dense_bytes, most_bytes) * kBytesWidth;
  const bool packed = layer.outcome == LayerReport::Outcome::kPacked;
  svg += svg_rect(kBytesX, bar_top, dense, kBar / 2.0 - 0.5, "dense");
  svg += svg_rect(kBytesX, bar_top + kBar / 2.0 + 0.5, share(layer.stored_bytes, most_bytes) * kBytesWidth,
                  kBar / 2.0 - 0.5, packed ? "stored" : "unpacked");
  svg += svg_text(kBytesX + dense + kLabelGap, baseline, "value", bytes_label(layer));
  return svg + "</g>\n";
}

std::string header(int height) {
  std::string svg = svg_text(0, 17, "head", "Layer");
  svg += svg_text(kZerosX, 17, "head", "Zeros, share of elements");
  svg += svg_text(kBytesX, 17, "head", "Bytes:") + svg_legend(kBytesX + 48, "dense", "dense");
  svg += svg_legend(kBytesX + 112, "stored", "packed") + svg_legend(kBytesX + 182, "unpacked", "not packed");
  for (const int tick : {0, 50, 100}) {
    const double x = kZerosX + kZerosWidth * tick / 100.0;
    svg += svg_text(x, 38, tick == 0 ? "axis" : "axis middle", std::to_string(tick) + "%");
  }
  return svg + svg_grid_line(kZerosX + kZerosWidth / 2.0, kHeader - 4, height) + "\n";
}

}  // namespace

std::string layer_chart(const Report& report) {
  if (report.layers.empty()) return "";
  const int height = kHeader + kRow * static_cast<int>(report.layers.size()) + 2;
  int64_t most_bytes = 0;
  for (const auto& layer : report.layers) {
    most_bytes = std::max({most_bytes, layer.dense_bytes, layer.stored_bytes});
  }
  std::string svg = "<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(height) +
                    "\" role=\"img\" aria-labelledby=\"chart-title chart-desc\">\n"
                    "<title id=\"chart-title\">Zeros and bytes by layer</title>\n<desc id=\"chart-desc\">" +
                    escape_html(outcome_title(report) + ". " + outcome_detail(report)) +
                    " The layer table holds the same numbers.</desc>\n";
  std::string rows;
  double top = kHeader;
  for (const auto& layer : report.layers) {
    rows += row(layer, most_bytes, top);
    top += kRow;
  }
  return svg + rows + header(height) + "</svg>\n";
}

}  // namespace prune2to4
