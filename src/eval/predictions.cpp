// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "prune2to4/evaluate.h"

namespace prune2to4 {
namespace {

constexpr size_t kFlushBytes = size_t{1} << 16;

// {"id": value, ...} in the order of the examples, written piece by piece: memory does not grow with their
// number.
template <typename Value>
void write_by_id(const Questions& questions, AtomicFile& file, const Value& value) {
  std::string text = "{";
  const auto flush = [&] {
    file.write(text);
    text.clear();
  };
  for (int64_t example = 0; example < questions.examples; ++example) {
    const auto id = questions.data.examples()[static_cast<size_t>(example)].id;
    text += example == 0 ? "\n  " : ",\n  ";
    text += nlohmann::json(id).dump() + ": " + value(example).dump();
    if (text.size() >= kFlushBytes) flush();
  }
  text += "\n}\n";
  flush();
}

nlohmann::ordered_json n_best_entry(std::string_view text, const AnswerSpan& span) {
  return {
      {"text", text}, {"probability", 0.0}, {"start_logit", span.start_logit}, {"end_logit", span.end_logit}};
}

nlohmann::ordered_json n_best(const Questions& questions, const SpanSearch& search, int64_t example) {
  auto entries = nlohmann::ordered_json::array();
  std::vector<double> scores;
  bool null_listed = questions.data.version() != SquadVersion::k20 && !search.spans(example).empty();
  const AnswerSpan& null = search.null_span(example);
  const auto list = [&](std::string_view text, const AnswerSpan& span) {
    entries.push_back(n_best_entry(text, span));
    scores.push_back(span.score());
  };
  for (const AnswerSpan& span : search.spans(example)) {
    if (!null_listed && null.score() > span.score()) {
      list("", null);
      null_listed = true;
    }
    list(search.text(example, span), span);
  }
  if (!null_listed) list("", null);
  double sum = 0;
  for (double& score : scores)
    sum += score =
        std::exp(score - entries[0]["start_logit"].get<double>() - entries[0]["end_logit"].get<double>());
  for (size_t i = 0; i < scores.size(); ++i) entries[i]["probability"] = scores[i] / sum;
  return entries;
}

}  // namespace

void write_predictions(const Questions& questions, const ModelAnswers& answers, AtomicFile& file) {
  write_by_id(questions, file,
              [&](int64_t example) { return nlohmann::json(answers.texts[static_cast<size_t>(example)]); });
}

void write_n_best(const Questions& questions, const ModelAnswers& answers, AtomicFile& file) {
  write_by_id(questions, file, [&](int64_t example) { return n_best(questions, answers.spans, example); });
}

}  // namespace prune2to4
