// SPDX-License-Identifier: Apache-2.0
#include "core/report/evaluation_chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/printable.h"
#include "core/report/svg.h"
#include "core/report/view.h"

namespace prune2to4 {
namespace {

// Lengths in SVG user units.
constexpr int kWidth = 960;
constexpr int kHeader = 46;
constexpr int kRow = 46;
constexpr int kBar = 15;
constexpr int kBarGap = 3;
constexpr int kBarsX = 260;
constexpr int kBarsWidth = 620;
constexpr int kLabelGap = 7;
constexpr size_t kNameWidth = 36;  // characters

constexpr int kTextBar = 50;           // characters of 100 %
constexpr size_t kTextNameWidth = 24;  // characters

struct Bar {
  const char* name;
  const char* css;
  double MeanScore::*value;
};
constexpr std::array<Bar, 2> kBars{{{"F1", "f1", &MeanScore::f1}, {"EM", "em", &MeanScore::exact_match}}};

// 0..1 of a score in per cent; 0 of what is no number.
double share(double score) { return std::isfinite(score) ? std::clamp(score / 100, 0.0, 1.0) : 0.0; }

std::string row(const ModelScore& model, double top) {
  const MeanScore& mean = model.score.all;
  std::string svg = "<g><title>" + escape_html(model.name) + ": F1 " + fixed(mean.f1, 2) + ", EM " +
                    fixed(mean.exact_match, 2) + "</title>";
  svg += svg_rect(0, top, kWidth, kRow, "hit");
  svg += svg_text(0, top + kRow / 2.0 + 4, "name", tail_of(model.name, kNameWidth));
  double bar_top = top + (kRow - 2 * kBar - kBarGap) / 2.0;
  for (const Bar& bar : kBars) {
    const double width = share(mean.*bar.value) * kBarsWidth;
    if (width > 0) svg += svg_rect(kBarsX, bar_top, width, kBar, bar.css);
    svg += svg_text(kBarsX + width + kLabelGap, bar_top + kBar / 2.0 + 4, "value", fixed(mean.*bar.value, 2));
    bar_top += kBar + kBarGap;
  }
  return svg + "</g>\n";
}

std::string header(int height) {
  std::string svg = svg_text(0, 17, "head", "Model");
  svg += svg_text(kBarsX, 17, "head", "Per cent:");
  svg += svg_legend(kBarsX + 72, kBars[0].css, kBars[0].name);
  svg += svg_legend(kBarsX + 120, kBars[1].css, kBars[1].name);
  for (const int tick : {0, 25, 50, 75, 100}) {
    const double x = kBarsX + kBarsWidth * tick / 100.0;
    svg += svg_text(x, 38, "axis middle", std::to_string(tick));
    svg += svg_grid_line(x, kHeader - 4, height);
  }
  return svg + "\n";
}

// `width` characters of 100 %, the last one in eighths.
std::string block_bar(double part) {
  constexpr std::array<const char*, 8> kEighths{"",       "\u258F", "\u258E", "\u258D",
                                                "\u258C", "\u258B", "\u258A", "\u2589"};
  const auto eighths = static_cast<size_t>(std::lround(part * kTextBar * 8));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "\u2588";
  return bar + kEighths[eighths % 8];
}

std::string padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, display_width(text)), ' ');
}

}  // namespace

std::string evaluation_chart(const Evaluation& evaluation) {
  if (evaluation.models.empty()) return "";
  const int height = kHeader + kRow * static_cast<int>(evaluation.models.size()) + 2;
  std::string svg = "<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(height) +
                    "\" role=\"img\" aria-labelledby=\"score-title score-desc\">\n"
                    "<title id=\"score-title\">F1 and exact match by model</title>\n"
                    "<desc id=\"score-desc\">" +
                    escape_html(evaluation_sentence(evaluation)) +
                    " The table below holds the same numbers.</desc>\n";
  svg += header(height);
  double top = kHeader;
  for (const auto& model : evaluation.models) {
    svg += row(model, top);
    top += kRow;
  }
  return svg + "</svg>\n";
}

std::string evaluation_bars(const Evaluation& evaluation) {
  size_t width = 0;
  for (const auto& model : evaluation.models) {
    width = std::max(width, display_width(tail_of(model.name, kTextNameWidth)));
  }
  std::string text;
  for (const auto& model : evaluation.models) {
    std::string name = tail_of(model.name, kTextNameWidth);
    for (const Bar& bar : kBars) {
      const double score = model.score.all.*bar.value;
      text += padded(name, width) + "  " + bar.name + "  " + padded(block_bar(share(score)), kTextBar) +
              "  " + fixed(score, 2) + "\n";
      name.clear();
    }
  }
  return text;
}

}  // namespace prune2to4
