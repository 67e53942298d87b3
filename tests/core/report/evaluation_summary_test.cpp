// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch.hpp>

#include "prune2to4/evaluation.h"
#include "sample_evaluation.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

auto lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

CATCH_TEST_CASE("the text summary holds sentence, table, comparison and gates in order") {
  const std::string text = evaluation_summary(sample_evaluation_report(), Format::kText);
  CATCH_CHECK(
      text ==
      "F1 74.66 (dense), 35.02 (packed) on 4,000 questions (4,213 windows) of dev.safetensors, scored as "
      "SQuAD 1.1.\n"
      "\n"
      "model      F1     EM    time  questions/s\n"
      "dense   74.66  62.10  50.0 s         80.0\n"
      "packed  35.02  25.03  50.0 s         80.0\n"
      "\n"
      "The answers of dense and packed differ for 1,234 of 4,000 questions (30.85%).\n"
      "\n"
      "The answers whose F1 changed most:\n"
      "\n"
      "1. Which team won?\n"
      "   right   \"Denver Broncos\" or \"the Broncos\"\n"
      "   dense   \"Denver Broncos\", F1 100.00\n"
      "   packed  no answer, F1 0.00\n"
      "\n"
      "2. Who was it not?\n"
      "   right   no answer\n"
      "   dense   no answer, F1 100.00\n"
      "   packed  \"Carolina Panthers\", F1 0.00\n"
      "\n"
      "gate min-f1 passed: F1 74.66 is 4.66 above 70.00\n"
      "gate max-f1-drop missed: F1 dropped by 39.64, which is 38.64 more than 1.00\n");
}

CATCH_TEST_CASE("without comparison and gates the summary ends with the table") {
  EvaluationReport report = sample_evaluation_report();
  report.comparison.reset();
  report.gates.clear();
  CATCH_CHECK_THAT(evaluation_summary(report, Format::kText),
                   EndsWith("packed  35.02  25.03  50.0 s         80.0\n"));
}

CATCH_TEST_CASE("models that agree have no list of answers") {
  EvaluationReport report = sample_evaluation_report();
  report.comparison = AnswerComparison{"a.pt", "b.pt", 1, 0, {}};
  report.gates.clear();
  CATCH_CHECK_THAT(evaluation_summary(report, Format::kText),
                   EndsWith("\n\nThe answers of a.pt and b.pt are the same for 1 question.\n"));
}

CATCH_TEST_CASE("the Markdown summary lists answers as a table and gates as points") {
  const std::string text = evaluation_summary(sample_evaluation_report(), Format::kMarkdown);
  CATCH_CHECK_THAT(text,
                   Contains("| Which team won? | \"Denver Broncos\" or \"the Broncos\" | \"Denver Broncos\" "
                            "| 100.00 | no answer           | 0.00 |\n"));
  CATCH_CHECK_THAT(text, EndsWith("- gate min-f1 passed: F1 74.66 is 4.66 above 70.00\n"
                                  "- gate max-f1-drop missed: F1 dropped by 39.64, which is 38.64 more than "
                                  "1.00\n"));
}

CATCH_TEST_CASE("hostile texts neither drive the terminal nor forge lines") {
  const EvaluationReport report = hostile_evaluation_report();
  const std::string text = evaluation_summary(report, Format::kText);
  CATCH_CHECK_THAT(text, !Contains("\x1b") && !Contains("\xff") && !Contains("\n# heading"));
  CATCH_CHECK_THAT(text, Contains("1. </td><img src=x onerror=alert(1)> # heading ?[31m\n"));
  CATCH_CHECK_THAT(text, Contains("\ngate min-f1 passed: <b>?[0m |\n"));
  CATCH_CHECK_THAT(text, Contains("\n2. " + std::string(159, 'q') + "\u2026\n"));
  CATCH_CHECK(lines(text) == lines(evaluation_summary(sample_evaluation_report(), Format::kText)));

  const std::string markdown = evaluation_summary(report, Format::kMarkdown);
  for (const char* banned : {" <script", " <img", "\x1b", "\xff", "\n#"}) {
    CATCH_CHECK_THAT(markdown, !Contains(banned));
  }
  CATCH_CHECK_THAT(markdown, Contains("\\<script\\>alert(1)") && Contains("\\<b\\>\\|\uFFFD"));
}

CATCH_TEST_CASE("CSV is the table and JSON the report") {
  const EvaluationReport report = hostile_evaluation_report();
  CATCH_CHECK(evaluation_summary(report, Format::kJson) == evaluation_json(report));
  const std::string csv = evaluation_summary(report, Format::kCsv);
  CATCH_CHECK(csv == render(evaluation_table(report.evaluation, Format::kCsv), Format::kCsv));
  CATCH_CHECK_THAT(csv, StartsWith("model,sha256,") && Contains("\"a|b`c`?[2J\uFFFD, \"\"q\"\"\","));
}

}  // namespace
}  // namespace prune2to4
