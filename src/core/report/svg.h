// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// Pieces of an inline <svg>, in its user units; `css` names a class of the page's style sheet.
namespace prune2to4 {

std::string svg_number(double value);
// `y` is the baseline; `content` is plain text.
std::string svg_text(double x, double y, const std::string& css, const std::string& content);
std::string svg_rect(double x, double y, double width, double height, const std::string& css);
std::string svg_grid_line(double x, double top, double bottom);
// A coloured square and its label in the head of a chart.
std::string svg_legend(double x, const std::string& css, const std::string& label);

}  // namespace prune2to4
