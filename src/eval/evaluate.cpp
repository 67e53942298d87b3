// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/evaluate.h"

#include <ATen/Parallel.h>

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <mutex>

#include "eval/parallel.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/progress.h"

namespace prune2to4 {
namespace {

// Threads that feed a GPU: one prepares a batch and searches spans while the other's batch is computed.
constexpr int kFeeders = 2;

// Batches after which the allocator gives back what is free: their ever new shapes fragment it, by some 100
// MiB in 25,000 questions.
constexpr size_t kBatchesToTrim = 256;

void check_fits(const Runner& runner, const TokenizedSquad& data) {
  const TextLimits& limits = runner.limits();
  data.check_fits(limits.vocabulary, limits.segments, limits.positions);
  if (runner.fixed_length() > 0) data.check_fits(0, 0, runner.fixed_length());
}

// A model that takes only so many sequences or tokens has its batches filled up to that.
SpanLogits run_windows(Runner& runner, const TokenizedSquad& data, std::span<const int64_t> windows) {
  const int64_t rows = runner.fixed_batch() > 0 ? runner.fixed_batch() : static_cast<int64_t>(windows.size());
  const int64_t length = runner.fixed_length() > 0 ? runner.fixed_length() : data.length(windows.front());
  return runner.run(fill_batch(data, windows, rows, length));
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t count_windows(const std::vector<std::vector<int64_t>>& batches) {
  size_t count = 0;
  for (const auto& batch : batches) count += batch.size();
  return static_cast<int64_t>(count);
}

// Those that this rank asks. They come longest first: taken in turn, the shares are alike.
std::vector<std::vector<int64_t>> share(std::vector<std::vector<int64_t>> batches, const Comm* comm) {
  if (comm == nullptr) return batches;
  std::vector<std::vector<int64_t>> mine;
  for (auto index = static_cast<size_t>(comm->rank()); index < batches.size();
       index += static_cast<size_t>(comm->size())) {
    mine.push_back(std::move(batches[index]));
  }
  return mine;
}

// Every rank learns what the others found.
void gather(std::vector<ModelAnswers>& answers, Comm& comm) {
  for (ModelAnswers& each : answers) {
    const std::vector<std::string> found = comm.all_gather(each.spans.export_found());
    for (size_t rank = 0; rank < found.size(); ++rank) {
      if (static_cast<int>(rank) != comm.rank()) each.spans.import_found(found[rank]);
    }
  }
}

void answer(const std::vector<Runner*>& runners, const Questions& questions,
            const std::vector<std::vector<int64_t>>& batches, std::vector<ModelAnswers>& answers) {
  Progress progress("evaluate", count_windows(batches));
  run_batches(runners, questions.data, batches, [&](const BatchLogits& found) {
    const auto& windows = batches[found.batch];
    answers[found.runner].seconds += found.seconds;
    add_logits(answers[found.runner].spans, windows, found.logits);
    if (found.runner + 1 == runners.size()) progress.advance("windows", static_cast<int64_t>(windows.size()));
  });
  progress.finish();
}

// The threads' times in each model become its share of the time that passed.
void share_time(double passed, std::vector<ModelAnswers>& answers) {
  double busy = 0;
  for (const ModelAnswers& each : answers) busy += each.seconds;
  for (ModelAnswers& each : answers) each.seconds *= busy > 0 ? passed / busy : 0;
}

}  // namespace

void add_logits(SpanSearch& spans, std::span<const int64_t> windows, const SpanLogits& logits) {
  const int64_t stride = logits.start.size(1);
  const auto* start = logits.start.const_data_ptr<float>();
  const auto* end = logits.end.const_data_ptr<float>();
  for (size_t row = 0; row < windows.size(); ++row) {
    const auto offset = static_cast<int64_t>(row) * stride;
    spans.add(windows[row], start + offset, end + offset);
  }
}

void score_answers(const Questions& questions, ModelAnswers& answers) {
  for (int64_t example = 0; example < questions.examples; ++example) {
    answers.texts.push_back(answers.spans.answer(example));
  }
  const std::span examples(questions.data.examples().data(), static_cast<size_t>(questions.examples));
  answers.score = score_predictions(examples, answers.texts, questions.data.version(), answers.scores);
}

void run_batches(const std::vector<Runner*>& runners, const TokenizedSquad& data,
                 const std::vector<std::vector<int64_t>>& batches,
                 const std::function<void(const BatchLogits&)>& use) {
  for (const Runner* runner : runners) check_fits(*runner, data);
  std::mutex mutex;  // of `use`
  const int threads = runners.front()->device().is_cpu() ? at::get_num_threads() : kFeeders;
  for_each_index(batches.size(), threads, [&](size_t index) {
    for (size_t i = 0; i < runners.size(); ++i) {
      throw_if_interrupted();
      const auto start = Clock::now();
      BatchLogits found{i, index, run_windows(*runners[i], data, batches[index]), 0};
      found.seconds = seconds_since(start);
      const std::lock_guard lock(mutex);
      use(found);
    }
    if ((index + 1) % kBatchesToTrim == 0) malloc_trim(0);
  });
}

Questions choose_questions(const TokenizedSquad& data, int64_t limit) {
  const auto all = static_cast<int64_t>(data.examples().size());
  Questions questions{data, limit > 0 ? std::min(limit, all) : all, 0};
  while (questions.windows < data.windows() && data.example(questions.windows) < questions.examples) {
    ++questions.windows;
  }
  return questions;
}

std::vector<ModelAnswers> evaluate(const std::vector<Runner*>& runners, const Questions& questions,
                                   const EvaluateOptions& options) {
  BatchLimits limits = options.batches;
  std::vector<ModelAnswers> answers;
  for (Runner* runner : runners) {
    if (const int64_t batch = runner->fixed_batch(); batch > 0) {
      limits.windows = limits.windows > 0 ? std::min(limits.windows, batch) : batch;
    }
    answers.push_back(
        {SpanSearch(questions.data, options.spans, options.keep_n_best ? options.spans.n_best : 1),
         {},
         {},
         {},
         0});
  }
  const auto start = Clock::now();
  const auto batches = plan_batches(questions.data, questions.windows, limits);
  answer(runners, questions, share(batches, options.comm), answers);
  if (options.comm != nullptr) gather(answers, *options.comm);
  share_time(seconds_since(start), answers);
  for (ModelAnswers& each : answers) score_answers(questions, each);
  return answers;
}

}  // namespace prune2to4
