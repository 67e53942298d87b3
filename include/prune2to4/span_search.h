// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

struct SpanOptions {
  size_t n_best = 20;  // starts and ends that are combined, for each window
  int32_t max_answer_tokens = 30;
  double null_threshold = 0;  // SQuAD 2.0: no answer where the null score is above the best span's by more
};

struct AnswerSpan {
  float start_logit = 0;
  float end_logit = 0;
  int32_t window = 0;
  int32_t start_token = 0;
  int32_t end_token = 0;  // the last one
  int32_t begin = 0;      // UTF-8 bytes of the context
  int32_t end = 0;

  float score() const { return start_logit + end_logit; }
};

// Answers from logits as the reference workflow finds them (postprocess_qa_predictions of transformers'
// run_qa): of each window the `n_best` highest start and end logits among context tokens, every pair with
// start <= end and at most `max_answer_tokens` tokens, and of all windows of an example the pairs with the
// highest sum. On a tie the earlier window, start and end win, so the order in which windows come does not
// matter. The null span of an example is token 0 (the classification token) of the window where its score is
// lowest.
class SpanSearch {
 public:
  // Keeps `kept` spans of each example, at most options.n_best: 1 is enough for answers. `data` must outlive
  // it.
  SpanSearch(const TokenizedSquad& data, const SpanOptions& options, size_t kept);

  // Logits of one window, [its length]. Throws Error(kModel) naming the window when one is NaN.
  void add(int64_t window, const float* start_logits, const float* end_logits);

  // Everything found so far, for import_found() of another search over the same data with the same options:
  // when each has part of the windows, the one that imports the others' has what it would have found in all
  // of them.
  std::string export_found() const;
  // Throws Error(kData) when it is of other data.
  void import_found(std::string_view found);

  // Text of the answer; empty when the example has no span, or when SQuAD 2.0's null score wins.
  std::string answer(int64_t example) const;
  // Best first, each with another text range.
  const std::vector<AnswerSpan>& spans(int64_t example) const { return spans_[static_cast<size_t>(example)]; }
  const AnswerSpan& null_span(int64_t example) const { return null_spans_[static_cast<size_t>(example)]; }
  // The text of a span in its context.
  std::string_view text(int64_t example, const AnswerSpan& span) const;

 private:
  const TokenizedSquad& data_;
  SpanOptions options_;
  size_t kept_;
  std::vector<std::vector<AnswerSpan>> spans_;  // by example
  std::vector<AnswerSpan> null_spans_;          // by example
  std::vector<int32_t> starts_;                 // of the window at hand
  std::vector<int32_t> ends_;
};

}  // namespace prune2to4
