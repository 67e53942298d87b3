// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// Exact match and F1 as the official scripts compute them (evaluate-v1.1.py and evaluate-v2.0.py of
// https://rajpurkar.github.io/SQuAD-explorer), where `lower`, `\b`, `split` and `string.punctuation` are
// Python's.

// Python's str.lower() (full case mapping: U+0130 becomes two code points, a final capital sigma U+03C2),
// without ASCII punctuation, each of the words a, an, the (between Unicode word boundaries) replaced by a
// space, words separated by single spaces (Unicode white space). UTF-8; invalid bytes count as U+FFFD.
std::string normalize_answer(std::string_view text);

struct AnswerScore {
  double exact_match = 0;  // 0 or 1
  double f1 = 0;           // 0..1
};

// The best over the answers. With version 2.0 a question without answers (or with none that is not empty when
// normalised) is answered by the empty prediction; with 1.1 one without answers scores 0.
AnswerScore score_answer(std::string_view prediction, std::span<const std::string_view> answers,
                         SquadVersion version);

// Means in per cent.
struct MeanScore {
  int64_t questions = 0;
  double exact_match = 0;
  double f1 = 0;
};

struct SquadScore {
  MeanScore all;
  std::optional<MeanScore> has_answer;  // of version 2.0 only, and only when there are such questions
  std::optional<MeanScore> no_answer;
};

// `predictions` are the answers' texts and `scores` is filled beside them: one for each example.
SquadScore score_predictions(std::span<const SquadExample> examples, std::span<const std::string> predictions,
                             SquadVersion version, std::vector<AnswerScore>& scores);

}  // namespace prune2to4
