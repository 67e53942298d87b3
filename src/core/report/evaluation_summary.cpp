// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "core/printable.h"
#include "core/report/evaluation_section.h"
#include "core/report/view.h"
#include "prune2to4/evaluation.h"

namespace prune2to4 {
namespace {

constexpr size_t kLongest = 160;  // characters of a question or an answer

std::string f1_of(double share) { return fixed(100 * share, 2); }

std::string shown_answer(const std::string& answer) {
  return answer.empty() ? "no answer" : "\"" + head_of(answer, kLongest) + "\"";
}

// Each of the right answers once: data sets repeat what several people answered.
std::string right_answers(const ChangedAnswer& answer) {
  std::vector<std::string> shown;
  for (const auto& text : answer.answers) {
    const std::string quoted = shown_answer(text);
    if (std::find(shown.begin(), shown.end(), quoted) == shown.end()) shown.push_back(quoted);
  }
  if (shown.empty()) return shown_answer("");
  std::string line;
  for (const auto& text : shown) line += (line.empty() ? "" : " or ") + text;
  return head_of(line, 2 * kLongest);
}

// Begins with our own words: a name could begin with what is markup at the start of a line.
std::string comparison_sentence(const AnswerComparison& comparison) {
  const std::string models = "The answers of " + comparison.first + " and " + comparison.second;
  const std::string all =
      grouped(comparison.questions) + (comparison.questions == 1 ? " question" : " questions");
  if (comparison.changed == 0) return single_line(models + " are the same for " + all + ".");
  return single_line(models + " differ for " + grouped(comparison.changed) + " of " + all + " (" +
                     percent(comparison.changed, comparison.questions, 2) + ").");
}

// A block a question: a table of such long cells would not fit a terminal.
std::string changed_text(const AnswerComparison& comparison) {
  const std::string first = head_of(comparison.first, 40);
  const std::string second = head_of(comparison.second, 40);
  const size_t width = std::max({display_width("right"), display_width(first), display_width(second)});
  const auto line = [&](const std::string& name, const std::string& answer) {
    return "   " + name + std::string(width - display_width(name), ' ') + "  " + answer + "\n";
  };
  std::string text;
  int number = 0;
  for (const auto& answer : comparison.most_changed) {
    text += "\n" + std::to_string(++number) + ". " + head_of(answer.question, kLongest) + "\n";
    text += line("right", right_answers(answer));
    text += line(first, shown_answer(answer.first) + ", F1 " + f1_of(answer.first_f1));
    text += line(second, shown_answer(answer.second) + ", F1 " + f1_of(answer.second_f1));
  }
  return text;
}

std::string changed_markdown(const AnswerComparison& comparison) {
  Table table{{{"question"},
               {"right"},
               {head_of(comparison.first, 40)},
               {"F1", true},
               {head_of(comparison.second, 40)},
               {"F1", true}},
              {}};
  for (const auto& answer : comparison.most_changed) {
    table.rows.push_back({head_of(answer.question, kLongest), right_answers(answer),
                          shown_answer(answer.first), f1_of(answer.first_f1), shown_answer(answer.second),
                          f1_of(answer.second_f1)});
  }
  return "\n" + render(table, Format::kMarkdown);
}

std::string comparison_text(const AnswerComparison& comparison, Format format) {
  const bool markdown = format == Format::kMarkdown;
  const std::string sentence = comparison_sentence(comparison);
  std::string text = "\n" + (markdown ? escape_markdown(sentence) : sentence) + "\n";
  if (comparison.most_changed.empty()) return text;
  text += "\nThe answers whose F1 changed most:\n";
  return text + (markdown ? changed_markdown(comparison) : changed_text(comparison));
}

std::string summary(const EvaluationReport& report, Format format) {
  std::string text = evaluation_section(report.evaluation, format);
  if (report.comparison) text += comparison_text(*report.comparison, format);
  if (!report.gates.empty()) text += "\n";
  for (const auto& gate : report.gates) text += gate_line(gate, format);
  return text;
}

}  // namespace

std::string evaluation_section(const Evaluation& evaluation, Format format) {
  const std::string sentence = evaluation_sentence(evaluation);
  return (format == Format::kMarkdown ? escape_markdown(sentence) : sentence) + "\n\n" +
         render(evaluation_table(evaluation, format), format);
}

std::string evaluation_summary(const EvaluationReport& report, Format format) {
  switch (format) {
    case Format::kText:
    case Format::kMarkdown:
      return summary(report, format);
    case Format::kCsv:
      return render(evaluation_table(report.evaluation, Format::kCsv), Format::kCsv);
    case Format::kJson:
      return evaluation_json(report);
  }
  return evaluation_json(report);
}

}  // namespace prune2to4
