// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "prune2to4/atomic_file.h"
#include "prune2to4/batches.h"
#include "prune2to4/comm.h"
#include "prune2to4/evaluation.h"
#include "prune2to4/runner.h"
#include "prune2to4/span_search.h"

namespace prune2to4 {

struct EvaluateOptions {
  SpanOptions spans;
  BatchLimits batches;
  bool keep_n_best = false;  // all n_best spans of each example, not only the best
  Comm* comm = nullptr;      // shares the batches, and every rank has all answers; nullptr: this rank has all
};

// What one model answered.
struct ModelAnswers {
  SpanSearch spans;
  std::vector<std::string> texts;   // by example
  std::vector<AnswerScore> scores;  // by example
  SquadScore score;
  double seconds = 0;  // that passed: with several models, this one's share
};

// The data, and which part of it is asked.
struct Questions {
  const TokenizedSquad& data;
  int64_t examples = 0;  // the first so many
  int64_t windows = 0;   // of those examples
};
Questions choose_questions(const TokenizedSquad& data, int64_t limit);

// What a runner gave for one of the batches: logits of [rows, length], whose rows beyond the batch's windows
// repeat the first one.
struct BatchLogits {
  size_t runner = 0;  // which of them
  size_t batch = 0;
  SpanLogits logits;
  double seconds = 0;
};

// Runs every batch of windows (plan_batches) through every runner, all on one kind of device. On the CPU each
// thread has a batch of its own, so that logits do not depend on the number of threads. `use` is called once
// at a time, in any order. Throws what evaluate() throws of data, runners and signals.
void run_batches(const std::vector<Runner*>& runners, const TokenizedSquad& data,
                 const std::vector<std::vector<int64_t>>& batches,
                 const std::function<void(const BatchLogits&)>& use);

// Hands the logits of a batch, a row a window, to the search.
void add_logits(SpanSearch& spans, std::span<const int64_t> windows, const SpanLogits& logits);

// Texts, scores and their mean, once `answers.spans` has seen every window.
void score_answers(const Questions& questions, ModelAnswers& answers);

// Every batch goes through every runner, all on one kind of device; with several ranks each takes its share
// of the batches. On the CPU each thread has a batch of its own, so that answers do not depend on the number
// of threads (at::get_num_threads). Throws Error: kData when the data does not fit a model (an id beyond its
// vocabulary, a window longer than its positions or than the length its trace has wired in), what
// Runner::run, SpanSearch::add and Comm throw, and Interrupted after a signal.
std::vector<ModelAnswers> evaluate(const std::vector<Runner*>& runners, const Questions& questions,
                                   const EvaluateOptions& options);

// `most`: how many of the changed answers to list; those whose F1 changed most come first.
AnswerComparison compare_answers(const Questions& questions, const ModelAnswers& first,
                                 const ModelAnswers& second, size_t most);

// {"id": "text", ...}: what the official scripts read.
void write_predictions(const Questions& questions, const ModelAnswers& answers, AtomicFile& file);
// {"id": [{"text", "probability", "start_logit", "end_logit"}, ...], ...}, best first, as run_qa writes it:
// probabilities are a softmax over the list; with SQuAD 2.0 the empty answer is one of it.
void write_n_best(const Questions& questions, const ModelAnswers& answers, AtomicFile& file);

}  // namespace prune2to4
