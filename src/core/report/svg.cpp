// SPDX-License-Identifier: Apache-2.0
#include "core/report/svg.h"

#include "core/report/view.h"

namespace prune2to4 {

std::string svg_number(double value) { return format_number(value, 6); }

std::string svg_text(double x, double y, const std::string& css, const std::string& content) {
  return "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" class=\"" + css + "\">" +
         escape_html(content) + "</text>";
}

std::string svg_rect(double x, double y, double width, double height, const std::string& css) {
  return "<rect x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" width=\"" + svg_number(width) +
         "\" height=\"" + svg_number(height) + "\" rx=\"1.5\" class=\"" + css + "\"/>";
}

std::string svg_grid_line(double x, double top, double bottom) {
  return "<line x1=\"" + svg_number(x) + "\" x2=\"" + svg_number(x) + "\" y1=\"" + svg_number(top) +
         "\" y2=\"" + svg_number(bottom) + "\" class=\"grid\"/>";
}

std::string svg_legend(double x, const std::string& css, const std::string& label) {
  return svg_rect(x, 8, 10, 10, css) + svg_text(x + 15, 17, "head", label);
}

}  // namespace prune2to4
