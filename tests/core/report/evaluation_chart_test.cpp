// SPDX-License-Identifier: Apache-2.0
#include "core/report/evaluation_chart.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "sample_evaluation.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

Evaluation scored(double exact_match, double f1) {
  Evaluation evaluation = sample_evaluation();
  evaluation.models = {sample_score("m", exact_match, f1)};
  return evaluation;
}

CATCH_TEST_CASE("the score chart has two labelled bars to scale for each model") {
  Evaluation evaluation = sample_evaluation();
  evaluation.models[0] = sample_score("dense", 50, 100);
  const std::string svg = evaluation_chart(evaluation);
  CATCH_CHECK(count(svg, "<g>") == 3);
  CATCH_CHECK(count(svg, "</g>") == 3);
  CATCH_CHECK(count(svg, "class=\"f1\"") == 3 + 1);  // and the legend
  CATCH_CHECK(count(svg, "class=\"em\"") == 3 + 1);
  CATCH_CHECK_THAT(svg, Contains("width=\"620\"") && Contains("width=\"310\""));
  CATCH_CHECK_THAT(svg, Contains(">100.00</text>") && Contains(">50.00</text>") && Contains(">35.02</text>"));
  CATCH_CHECK_THAT(svg, Contains("<title>dense: F1 100.00, EM 50.00</title>"));
}

CATCH_TEST_CASE("the score chart has a title and a description for those who cannot see it") {
  const std::string svg = evaluation_chart(sample_evaluation());
  CATCH_CHECK_THAT(svg, Contains("role=\"img\" aria-labelledby=\"score-title score-desc\""));
  CATCH_CHECK_THAT(svg, Contains("<title id=\"score-title\">F1 and exact match by model</title>"));
  CATCH_CHECK_THAT(svg, Contains("<desc id=\"score-desc\">F1 74.66 (dense), "));
}

CATCH_TEST_CASE("scores that are none or out of range have bars inside the chart") {
  const std::string none = evaluation_chart(scored(std::nan(""), INFINITY));
  CATCH_CHECK(count(none, ">-</text>") == 2);
  CATCH_CHECK(count(none, "class=\"f1\"") == 1);  // only the legend
  CATCH_CHECK_THAT(none, !Contains("nan") && !Contains("inf"));
  const std::string beyond = evaluation_chart(scored(-5, 120));
  CATCH_CHECK_THAT(beyond, Contains("width=\"620\" height=\"15\"") && !Contains("width=\"-"));
  CATCH_CHECK(evaluation_chart(Evaluation{}).empty());
}

CATCH_TEST_CASE("hostile names are text in the score chart, and long ones keep their end") {
  Evaluation evaluation = hostile_evaluation_report().evaluation;
  evaluation.models.push_back(sample_score(std::string(60, 'x') + ".2to4.pt", 1, 2));
  const std::string svg = evaluation_chart(evaluation);
  for (const char* banned : {"<script", "\x1b", "\xff"}) CATCH_CHECK_THAT(svg, !Contains(banned));
  CATCH_CHECK_THAT(svg, Contains("&lt;script&gt;alert(1)&lt;/script&gt;: F1 74.66"));
  CATCH_CHECK_THAT(svg, Contains(">\u2026" + std::string(27, 'x') + ".2to4.pt</text>"));
}

CATCH_TEST_CASE("bars of characters grow by eighths and line up") {
  std::string bar;
  for (int i = 0; i < 25; ++i) bar += "\u2588";
  const auto line = [](const std::string& start, const std::string& drawn, size_t blanks, const char* label) {
    return start + drawn + std::string(blanks, ' ') + "  " + label + "\n";
  };
  CATCH_CHECK(evaluation_bars(scored(51, 50)) ==
              line("m  F1  ", bar, 25, "50.00") + line("   EM  ", bar + "\u258C", 24, "51.00"));
  CATCH_CHECK(evaluation_bars(scored(0, 200)) ==
              line("m  F1  ", bar + bar, 0, "200.00") + line("   EM  ", "", 50, "0.00"));
  CATCH_CHECK(evaluation_bars(scored(0.25, std::nan(""))) ==
              line("m  F1  ", "", 50, "-") + line("   EM  ", "\u258F", 49, "0.25"));
  CATCH_CHECK(evaluation_bars(Evaluation{}).empty());
}

CATCH_TEST_CASE("hostile names stay on their line beside the bars") {
  const std::string bars = evaluation_bars(hostile_evaluation_report().evaluation);
  CATCH_CHECK(count(bars, "\n") == 4);
  CATCH_CHECK_THAT(bars, StartsWith("\u2026cript>alert(1)</script>  F1  "));
  CATCH_CHECK_THAT(bars, !Contains("\x1b") && !Contains("\xff"));
}

}  // namespace
}  // namespace prune2to4
