// SPDX-License-Identifier: Apache-2.0
#include "core/report/training_chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/printable.h"
#include "core/report/axis.h"
#include "core/report/svg.h"
#include "core/report/training_curves.h"
#include "core/report/training_section.h"
#include "core/report/view.h"
#include "prune2to4/report.h"

namespace prune2to4 {
namespace {

using Runs = std::vector<TrainingRun>;

// Lengths in SVG user units.
constexpr int kWidth = 960;
constexpr int kPlotX = 64;
constexpr int kPlotWidth = 826;
constexpr int kLegend = 32;
constexpr int kEpochRow = 18;
constexpr int kPanelHead = 30;
constexpr int kPanelGap = 16;
constexpr int kStepAxis = 40;
constexpr int kLabelGap = 7;
constexpr int kLabelHeight = 14;
constexpr double kPointRadius = 3.5;
constexpr double kLetter = 7.2;  // of the legend, on average

constexpr size_t kNameWidth = 40;    // characters
constexpr size_t kColours = 4;       // classes run0 to run3
constexpr int64_t kMostEpochs = 16;  // with a label each

// The inline chart takes these from the page's style sheet.
constexpr const char* kPlotStyle = R"(<style>
text { fill: #1c2128; font: 12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
.page { fill: #ffffff; }
.head { font-weight: 600; }
.axis { fill: #5c6570; font-size: 11px; }
.middle { text-anchor: middle; }
.end { text-anchor: end; }
.value { font-size: 11.5px; stroke: #ffffff; stroke-width: 3px; paint-order: stroke; }
.hair { stroke: #d8dee4; stroke-width: 1; }
.grid { stroke: #5c6570; stroke-width: 1; stroke-dasharray: 2 3; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.run0 { stroke: #2b66b1; } .mark0 { fill: #2b66b1; }
.run1 { stroke: #c2571a; stroke-dasharray: 7 5; } .mark1 { fill: #c2571a; }
.run2 { stroke: #2f7d6b; } .mark2 { fill: #2f7d6b; }
.run3 { stroke: #8a4fa8; } .mark3 { fill: #8a4fa8; }
.raw { stroke-width: 1; stroke-dasharray: none; opacity: .35; }
</style>
)";

std::string colour(const char* kind, size_t run) { return kind + std::to_string(run % kColours); }

// Of an axis with ticks so far apart: 0.50, 0.0003, 5e-5.
std::string tick_text(double value, double step) {
  if (step >= 1e-3)
    return format_fixed(value, std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-6))));
  std::string text = format_number(value, 6);
  if (const size_t at = text.find("e-0"); at != std::string::npos) text.erase(at + 2, 1);
  return text;
}

// One panel and the axis of steps that all share.
struct Panel {
  const Axis& steps;
  Axis values;
  double top = 0;  // of the plot
  double height = 0;

  double x(double step) const { return kPlotX + steps.share(step) * kPlotWidth; }
  double y(double value) const { return top + (1 - values.share(value)) * height; }
};

std::string horizontal(double y) {
  return "<line x1=\"" + std::to_string(kPlotX) + "\" x2=\"" + std::to_string(kPlotX + kPlotWidth) +
         "\" y1=\"" + svg_number(y) + "\" y2=\"" + svg_number(y) + "\" class=\"hair\"/>";
}

std::string frame(const Panel& panel, const std::string& title) {
  std::string svg = svg_text(0, panel.top - 14, "head", title);
  const double step = panel.values.ticks[1] - panel.values.ticks[0];
  for (const double tick : panel.values.ticks) {
    svg += horizontal(panel.y(tick));
    svg += svg_text(kPlotX - kLabelGap, panel.y(tick) + 4, "axis end", tick_text(tick, step));
  }
  return svg + "\n";
}

// A gap where a value cannot be drawn; a value between two gaps is a dot.
std::string path(const Panel& panel, const Curve& curve, const std::string& css) {
  std::string data;
  bool drawing = false;
  for (const auto& [step, value] : curve) {
    if (!drawable(value)) {
      drawing = false;
      continue;
    }
    data += std::string(drawing ? "L" : "M") + format_fixed(panel.x(step), 1) + " " +
            format_fixed(panel.y(value), 1) + (drawing ? "" : "h0");
    drawing = true;
  }
  return data.empty() ? "" : "<path d=\"" + data + "\" class=\"" + css + "\"/>";
}

struct EndLabel {
  double x = 0;
  double y = 0;
  std::string css;
  std::string text;
};

// The values at the lines' ends, moved apart where they would cover one another.
std::string end_labels(std::vector<EndLabel> labels) {
  std::sort(labels.begin(), labels.end(), [](const EndLabel& a, const EndLabel& b) { return a.y < b.y; });
  std::string svg;
  double free = -std::numeric_limits<double>::infinity();
  for (const auto& label : labels) {
    const double y = std::max(label.y, free);
    svg += svg_text(label.x + kLabelGap + 1, y + 4, label.css, label.text);
    free = y + kLabelHeight;
  }
  return svg;
}

EndLabel end_label(const Panel& panel, const Curve& curve, size_t run, const std::string& text) {
  return {panel.x(curve.back().first), panel.y(curve.back().second), colour("value mark", run), text};
}

// Curves of one number of the points.
std::string curve_panel(const Runs& runs, Panel panel, const std::string& title,
                        double TrainingPoint::*number, bool smooth) {
  std::vector<Curve> curves;
  for (const auto& run : runs) curves.push_back(thinned(curve_of(run, number)));
  const auto range = value_range(curves);
  if (!range) return "";
  panel.values =
      nice_axis(smooth ? range->first : std::min(0.0, range->first), range->second, smooth ? 5 : 3);
  std::string svg = frame(panel, title);
  std::vector<EndLabel> labels;
  for (size_t i = 0; i < curves.size(); ++i) {
    const Curve shown = smooth ? smoothed(curves[i]) : curves[i];
    svg += "<g><title>" + escape_html(runs[i].name) + "</title>";
    if (shown.size() >= kLongCurve && smooth) svg += path(panel, curves[i], "curve raw " + colour("run", i));
    svg += path(panel, shown, "curve " + colour("run", i)) + "</g>\n";
    const Curve drawn = drawable_part(shown);
    if (smooth && !drawn.empty()) {
      labels.push_back(end_label(panel, drawn, i, fixed(drawn.back().second, 3)));
    }
  }
  return svg + end_labels(labels) + "\n";
}

std::string score_panel(const Runs& runs, Panel panel) {
  std::vector<Curve> curves;
  for (const auto& run : runs) curves.push_back(score_curve(run));
  const auto range = value_range(curves);
  if (!range) return "";
  panel.values = nice_axis(range->first, range->second, 3);
  std::string svg = frame(panel, "F1 after each epoch");
  std::vector<EndLabel> labels;
  for (size_t i = 0; i < curves.size(); ++i) {
    svg += path(panel, curves[i], "curve " + colour("run", i));
    for (const auto& [step, f1] : curves[i]) {
      svg += "<circle cx=\"" + svg_number(panel.x(step)) + "\" cy=\"" + svg_number(panel.y(f1)) + "\" r=\"" +
             svg_number(kPointRadius) + "\" class=\"" + colour("mark", i) + "\"><title>" +
             escape_html(runs[i].name) + ": F1 " + fixed(f1, 2) + " at step " + grouped(std::llround(step)) +
             "</title></circle>";
    }
    svg += "\n";
    if (!curves[i].empty())
      labels.push_back(end_label(panel, curves[i], i, fixed(curves[i].back().second, 2)));
  }
  return svg + end_labels(labels) + "\n";
}

std::string legend(const Runs& runs) {
  double x = kPlotX;
  std::string svg;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string name = head_of(runs[i].name, kNameWidth);
    svg += svg_legend(x, colour("mark", i), name);
    x += 15 + kLetter * static_cast<double>(display_width(name)) + 24;
  }
  return svg + "\n";
}

// Dashed lines at the ends of the epochs of the run with most of them.
std::string epoch_lines(const Runs& runs, const Panel& panel, double bottom) {
  const auto longest = std::max_element(
      runs.begin(), runs.end(),
      [](const TrainingRun& a, const TrainingRun& b) { return a.epochs.size() < b.epochs.size(); });
  if (longest->epochs.size() > static_cast<size_t>(kMostEpochs)) return "";
  std::string svg;
  for (const auto& epoch : longest->epochs) {
    const double x = panel.x(static_cast<double>(epoch.step));
    svg += svg_text(x, kLegend + kEpochRow - 6.0, "axis middle", "epoch " + std::to_string(epoch.epoch));
    svg += svg_grid_line(x, kLegend + kEpochRow, bottom);
  }
  return svg + "\n";
}

std::string step_axis(const Panel& panel, double bottom) {
  std::string svg;
  for (const double tick : panel.steps.ticks) {
    svg += svg_text(panel.x(tick), bottom + 17, "axis middle", grouped(std::llround(tick)));
  }
  return svg + svg_text(kPlotX + kPlotWidth / 2.0, bottom + 34, "axis middle", "optimizer step") + "\n";
}

struct Drawing {
  std::string body;
  int height = 0;
};

// No body when there is nothing to draw.
Drawing draw(const Runs& runs) {
  const double last = last_step(runs);
  if (last <= 0) return {};
  Axis steps = nice_axis(0, last, static_cast<int>(std::min(8.0, last)));
  steps.high = last;
  while (steps.ticks.back() > last) steps.ticks.pop_back();
  const bool epochs =
      std::any_of(runs.begin(), runs.end(), [](const TrainingRun& run) { return !run.epochs.empty(); });
  Panel panel{steps, {}, static_cast<double>(kLegend + (epochs ? kEpochRow : 0))};
  std::string panels;
  double bottom = 0;
  const auto add = [&](double height, const auto& drawn_by) {
    panel.height = height;
    panel.top += kPanelHead;
    const std::string svg = drawn_by(panel);
    if (svg.empty()) {
      panel.top -= kPanelHead;
      return;
    }
    panels += svg;
    bottom = panel.top + height;
    panel.top = bottom + kPanelGap;
  };
  add(230, [&](const Panel& p) { return curve_panel(runs, p, "Loss", &TrainingPoint::loss, true); });
  add(70, [&](const Panel& p) {
    return curve_panel(runs, p, "Learning rate", &TrainingPoint::learning_rate, false);
  });
  add(120, [&](const Panel& p) { return score_panel(runs, p); });
  if (panels.empty()) return {};
  return {legend(runs) + epoch_lines(runs, panel, bottom) + panels + step_axis(panel, bottom),
          static_cast<int>(bottom) + kStepAxis};
}

std::string description(const Runs& runs) {
  std::string text;
  for (const auto& run : runs) text += (text.empty() ? "" : " ") + training_sentence(run);
  return "<title id=\"training-title\">Loss, learning rate and F1 by step</title>\n<desc "
         "id=\"training-desc\">" +
         escape_html(text) + "</desc>\n";
}

// `box` is the value of viewBox.
std::string opening(const std::string& attributes, const std::string& box) {
  return "<svg " + attributes + "viewBox=\"" + box +
         "\" role=\"img\" aria-labelledby=\"training-title training-desc\">\n";
}

}  // namespace

std::string training_chart(const Runs& runs) {
  const Drawing drawing = draw(runs);
  if (drawing.body.empty()) return "";
  return opening("", "0 0 " + std::to_string(kWidth) + " " + std::to_string(drawing.height)) +
         description(runs) + drawing.body + "</svg>\n";
}

std::string training_plot(const Runs& runs) {
  constexpr int kMargin = 20;
  const Drawing drawing = draw(runs);
  const std::string width = std::to_string(kWidth + 2 * kMargin);
  const std::string height = std::to_string(drawing.height + 2 * kMargin);
  const std::string corner = std::to_string(-kMargin);
  return opening("xmlns=\"http://www.w3.org/2000/svg\" width=\"" + width + "\" height=\"" + height + "\" ",
                 corner + " " + corner + " " + width + " " + height) +
         kPlotStyle + description(runs) + "<rect x=\"" + corner + "\" y=\"" + corner + "\" width=\"" + width +
         "\" height=\"" + height + "\" class=\"page\"/>\n" + drawing.body + "</svg>\n";
}

}  // namespace prune2to4
