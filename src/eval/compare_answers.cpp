// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "prune2to4/evaluate.h"

namespace prune2to4 {
namespace {

ChangedAnswer describe(const SquadExample& example, size_t index, const ModelAnswers& first,
                       const ModelAnswers& second) {
  return {std::string(example.id),
          std::string(example.question),
          {example.answers.begin(), example.answers.end()},
          first.texts[index],
          second.texts[index],
          first.scores[index].f1,
          second.scores[index].f1};
}

}  // namespace

AnswerComparison compare_answers(const Questions& questions, const ModelAnswers& first,
                                 const ModelAnswers& second, size_t most) {
  AnswerComparison comparison;
  comparison.questions = questions.examples;
  std::vector<size_t> changed;
  for (size_t i = 0; i < first.texts.size(); ++i) {
    if (first.texts[i] != second.texts[i]) changed.push_back(i);
  }
  comparison.changed = static_cast<int64_t>(changed.size());
  const auto change = [&](size_t i) { return std::abs(first.scores[i].f1 - second.scores[i].f1); };
  std::stable_sort(changed.begin(), changed.end(), [&](size_t a, size_t b) { return change(a) > change(b); });
  changed.resize(std::min(changed.size(), most));
  for (const size_t i : changed) {
    comparison.most_changed.push_back(describe(questions.data.examples()[i], i, first, second));
  }
  return comparison;
}

}  // namespace prune2to4
