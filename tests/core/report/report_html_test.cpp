// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>

#include "core/report/layer_chart.h"
#include "core/report/sensitivity_chart.h"
#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

CATCH_TEST_CASE("the page holds the report in one file that loads nothing") {
  const std::string html = report_html(sample_report());
  CATCH_CHECK_THAT(html, StartsWith("<!DOCTYPE html>") && EndsWith("</html>\n"));
  CATCH_CHECK_THAT(html, Contains("<h1>1 of 3 linear layers packed to 2:4</h1>"));
  CATCH_CHECK_THAT(html, Contains("from 512 B to 272 B (53.1%)") && Contains("layer 1 stays dense"));
  CATCH_CHECK_THAT(html, Contains("a group has 3 non-zero elements") && Contains("3e-07"));
  CATCH_CHECK_THAT(html, Contains("prune2to4 prune model.pt --config &#39;my layers.json&#39;") ||
                             Contains("prune2to4 prune model.pt --config &apos;my layers.json&apos;"));
  for (const char* banned : {"<script", "http:", "https:", "src=", "url(", "@import", "<link", "{{"}) {
    CATCH_CHECK_THAT(html, !Contains(banned));
  }
}

CATCH_TEST_CASE("names of a hostile model are shown, not run") {
  const std::string html = report_html(hostile_report());
  CATCH_CHECK_THAT(html,
                   Contains("&lt;script&gt;alert(1)&lt;") && Contains("{{title}} &amp; &quot;quoted&quot;"));
  for (const char* banned : {"<script", "<img", "<b>", "\x1b", "\xff"})
    CATCH_CHECK_THAT(html, !Contains(banned));
  CATCH_CHECK(count(html, "</title>") ==
              1 + 1 + 3 + 1 + 2 + 1 + 2 + 2 + 2);  // the page's, the charts', one a row, a curve or an epoch
  CATCH_CHECK(count(html, "</code>") == 1);
}

CATCH_TEST_CASE("the page tells of a permutation where there was one") {
  CATCH_CHECK_THAT(report_html(permuted_report()),
                   Contains("<h2>Permutation</h2>\n<p>The input channels of 12 layers were reordered"));
  CATCH_CHECK_THAT(report_html(sample_report()), !Contains("Permutation"));
}

CATCH_TEST_CASE("the page tells of a calibration where there was one, and shows the layers' errors") {
  const std::string html = report_html(calibrated_report());
  CATCH_CHECK_THAT(html, Contains("<h2>Calibration</h2>\n<p>Calibrated by reconstruction on 1,024 windows") &&
                             Contains("<th class=\"n\">Output error</th>") &&
                             Contains("<td class=\"n\">0.125</td><td class=\"n\">0.5</td>"));
  CATCH_CHECK_THAT(report_html(sample_report()), !Contains("Calibration") && !Contains("Output error"));
}

CATCH_TEST_CASE("the page shows what each layer costs as a sentence, bars and a table") {
  const std::string html = report_html(sensitivity_report(true));
  CATCH_CHECK_THAT(html,
                   Contains("<h2>Sensitivity</h2>\n<p>Each layer pruned alone by weight-norm, on 1,738 "));
  CATCH_CHECK_THAT(html,
                   Contains("<th class=\"n\">F1 lost</th>") &&
                       Contains("<td class=\"mono model\">bert.layer.1.weight</td><td class=\"n\">70.25</td>"
                                "<td class=\"n\">4.25</td>"));
  CATCH_CHECK(count(html, "<svg") == 2);
  CATCH_CHECK_THAT(report_html(sample_report()), !Contains("Sensitivity"));
}

CATCH_TEST_CASE("the chart of costs has bars to scale on both sides of zero") {
  const std::string svg = sensitivity_chart(*sensitivity_report(true).sensitivity);
  CATCH_CHECK(count(svg, "<g>") == 2);
  // From -2 to 6 in 480 units, at 60 a point: 4.25 lost, 0.25 gained.
  CATCH_CHECK_THAT(svg, Contains("F1 lost, points") && Contains("x=\"454\" y=\"51\" width=\"255\""));
  CATCH_CHECK_THAT(svg, Contains("width=\"15\"") && Contains(">4.25, kept dense</text>"));
  const std::string nats = sensitivity_chart(*sensitivity_report(false).sensitivity);
  CATCH_CHECK_THAT(nats, Contains("KL divergence") && Contains(">0.0625</text>"));
  Report report = sensitivity_report(false);
  report.sensitivity->layers[0].divergence = std::nan("");
  CATCH_CHECK_THAT(sensitivity_chart(*report.sensitivity), !Contains("nan"));
  report.sensitivity->layers.clear();
  CATCH_CHECK(sensitivity_chart(*report.sensitivity).empty());
}

CATCH_TEST_CASE("sections without content are left out") {
  const std::string html = report_html(Report{});
  for (const char* absent :
       {"Warnings", "Training", "Exact match", "<svg", "Environment", "Timing", "Layers</h2>"}) {
    CATCH_CHECK_THAT(html, !Contains(absent));
  }
  CATCH_CHECK_THAT(html, Contains("<h1>None of 0 linear layers packed to 2:4</h1>"));
}

CATCH_TEST_CASE("a dry run shows no written file") {
  const std::string html = report_html(dry_report());
  CATCH_CHECK_THAT(html, Contains("1 of 3 linear layers would be packed") && Contains("nothing was written"));
  CATCH_CHECK_THAT(html, !Contains("model written"));
}

CATCH_TEST_CASE("the page shows the scores as a sentence, bars and a table") {
  const std::string html = report_html(scored_report());
  CATCH_CHECK_THAT(html, Contains("<h2>Exact match and F1</h2>\n<p>F1 74.66 (dense), "));
  CATCH_CHECK(count(html, "<svg") == 2);
  CATCH_CHECK_THAT(html, Contains("<th>Model</th><th class=\"n\">F1</th>"));
  CATCH_CHECK_THAT(html, Contains("<tr><td class=\"mono model\">packed</td><td class=\"n\">35.02</td>"));
}

CATCH_TEST_CASE("the chart has a row a layer, bars to scale and full names") {
  Report report = sample_report();
  report.layers[0].name = std::string(60, 'x') + ".layer.0.weight";
  const std::string svg = layer_chart(report);
  CATCH_CHECK(count(svg, "<g>") == 3);
  CATCH_CHECK(count(svg, "</g>") == 3);
  CATCH_CHECK_THAT(svg, Contains("role=\"img\"") && Contains("<desc"));
  CATCH_CHECK_THAT(svg, Contains("<title>" + report.layers[0].name + ": 8x16"));
  CATCH_CHECK_THAT(svg, Contains("\u2026" + std::string(39, 'x') + ".layer.0</text>"));
  CATCH_CHECK_THAT(svg, Contains("width=\"80\"") && Contains("class=\"zeros\""));        // half of 160
  CATCH_CHECK_THAT(svg, Contains("width=\"138.125\"") && Contains("class=\"stored\""));  // 272 / 512 of 260
  CATCH_CHECK_THAT(svg,
                   Contains("512 B \u2192 272 B") && Contains("512 B, masked") && Contains("512 B, dense"));
}

CATCH_TEST_CASE("the chart copes with empty layers and long names of many bytes a letter") {
  CATCH_CHECK(layer_chart(Report{}).empty());
  Report report;
  report.layers.emplace_back();
  for (int i = 0; i < 60; ++i) report.layers[0].name += "\u4e2d";
  const std::string svg = layer_chart(report);
  std::string tail = "\u2026";
  for (int i = 0; i < 47; ++i) tail += "\u4e2d";
  CATCH_CHECK_THAT(svg, Contains(">" + tail + "</text>") && !Contains("nan") && !Contains("\uFFFD"));
}

}  // namespace
}  // namespace prune2to4
