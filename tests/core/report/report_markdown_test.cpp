// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <sstream>

#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

CATCH_TEST_CASE("Markdown holds the sections in order") {
  const std::string text = report_markdown(scored_report());
  CATCH_CHECK_THAT(text, StartsWith("# 1 of 3 linear layers packed to 2:4\n"));
  size_t last = 0;
  for (const char* title :
       {"Totals", "Probe", "Warnings", "Evaluation", "Layers", "Environment", "Command", "Timing"}) {
    const size_t at = text.find("\n## " + std::string(title) + "\n");
    CATCH_REQUIRE(at != std::string::npos);
    CATCH_CHECK(at > last);
    last = at;
  }
  CATCH_CHECK_THAT(text, Contains("    prune2to4 prune model.pt --config 'my layers.json'\n"));
  CATCH_CHECK_THAT(text, Contains("| model written | model.2to4.pt |"));
}

CATCH_TEST_CASE("Markdown shows the scores as a sentence, a table and bars") {
  const std::string text = report_markdown(scored_report());
  CATCH_CHECK_THAT(text, Contains("\n\nF1 74.66 (dense), ") &&
                             Contains("| packed | 35.02 | 25.03 | 50.0 s |        80.0 |\n"));
  CATCH_CHECK_THAT(text,
                   Contains("\n\n    dense   F1  \u2588\u2588") && Contains("\n            EM  \u2588"));
  CATCH_CHECK_THAT(report_markdown(sample_report()), !Contains("Evaluation"));
}

CATCH_TEST_CASE("Markdown tells of a permutation where there was one") {
  CATCH_CHECK_THAT(report_markdown(permuted_report()),
                   Contains("\n## Permutation\n\nThe input channels of 12 layers were reordered in 3.50 s"));
  CATCH_CHECK_THAT(report_markdown(sample_report()), !Contains("Permutation"));
}

CATCH_TEST_CASE("Markdown tells of a calibration where there was one") {
  CATCH_CHECK_THAT(report_markdown(calibrated_report()),
                   Contains("\n## Calibration\n\nCalibrated by reconstruction on 1,024 windows"));
  CATCH_CHECK_THAT(report_markdown(sample_report()), !Contains("Calibration"));
}

CATCH_TEST_CASE("Markdown has a table of what each layer costs, the worst first") {
  const std::string text = report_markdown(sensitivity_report(true));
  CATCH_CHECK_THAT(text,
                   Contains("\n## Sensitivity\n\nEach layer pruned alone by weight-norm, on 1,738 windows of "
                            "dev.safetensors, in 7.50 s; dense F1 74.50; the worst one stays dense."));
  CATCH_CHECK_THAT(text, Contains("| bert.layer.1.weight | 70.25 |    4.25 |"));
  CATCH_CHECK_THAT(report_markdown(sample_report()), !Contains("Sensitivity"));
}

CATCH_TEST_CASE("names of a hostile model stay text in Markdown") {
  const std::string text = report_markdown(hostile_report());
  CATCH_CHECK_THAT(text, Contains("\\<script\\>alert(1)\\</script\\>") && Contains("a\\|b\\`c\\`?\\[2J"));
  CATCH_CHECK_THAT(text, Contains("- {{title}} \\& \"quoted\" \\<b\\>\n"));
  CATCH_CHECK_THAT(text, !Contains(" <script") && !Contains("\x1b") && !Contains("\xff"));
}

CATCH_TEST_CASE("every row of the layer table has as many cells as its head") {
  const std::string text = report_markdown(hostile_report());
  std::istringstream lines(text.substr(text.find("\n## Layers")));
  std::string line;
  int rows = 0;
  while (std::getline(lines, line)) {
    if (!line.starts_with("| layer") && rows == 0) continue;
    if (!line.starts_with("|")) break;
    ++rows;
    int bars = 0;
    for (size_t i = 0; i < line.size(); ++i)
      bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1 : 0;
    CATCH_CHECK(bars == 10);
  }
  CATCH_CHECK(rows == 5);
}

}  // namespace
}  // namespace prune2to4
