// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>

#include "commands/clock.h"
#include "commands/evaluation_data.h"
#include "commands/gates.h"
#include "commands/model_files.h"
#include "commands/training.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/commands.h"
#include "prune2to4/error.h"
#include "prune2to4/log.h"
#include "prune2to4/process_memory.h"

namespace prune2to4 {
namespace {

constexpr size_t kMostChanged = 10;

// Opened before any work is done, so that a place that cannot be written is known then.
struct OutputFiles {
  std::optional<AtomicFile> predictions;
  std::optional<AtomicFile> n_best;
  std::optional<AtomicFile> json;

  // Nothing is opened unless `writes`.
  OutputFiles(const EvalOptions& options, bool writes) {
    if (!writes) return;
    if (!options.predictions.empty()) predictions.emplace(options.predictions);
    if (!options.n_best.empty()) n_best.emplace(options.n_best);
    if (!options.results.export_json.empty()) json.emplace(options.results.export_json);
  }
};

// The model in question, first, and those it is held against.
struct Models {
  std::deque<Runner> runners;
  std::vector<std::string> sha256;

  // Which of them it is.
  size_t load(const std::string& path, at::Device device, const EvalOptions& options) {
    const RunnerOptions how{options.engine == "auto", options.padding == "remove"};
    runners.push_back(load_runner(path, device, chosen_dtype(options.dtype), options.trust_model,
                                  sha256.emplace_back(), how));
    log::debug(runners.back().name() + ": " + runners.back().engine());
    return runners.size() - 1;
  }

  bool removes_padding() const {
    return std::any_of(runners.begin(), runners.end(),
                       [](const Runner& each) { return each.removes_padding(); });
  }

  // What runs them: one text when it is the same for all.
  std::string engines() const {
    const auto same = [&](const Runner& each) { return each.engine() == runners[0].engine(); };
    if (std::all_of(runners.begin(), runners.end(), same)) return runners[0].engine();
    std::string all;
    for (const Runner& each : runners) {
      all += (all.empty() ? "" : "; ") + each.name() + ": " + each.engine();
    }
    return all;
  }
};

// Also a folder: reading it as a model says what to do with one.
bool is_model(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return true;
  std::ifstream file(path, std::ios::binary);
  return file.get() == 'P' && file.get() == 'K';
}

void check_options(const EvalOptions& options) {
  const auto fail = [](const std::string& message) { throw Error(ExitStatus::kUsage, "eval", message); };
  if (options.model.empty()) {
    fail("no model: give MODEL.pt, or run where prune2to4.json names one (prune --save-settings writes it)");
  }
  if (options.data.empty()) fail("no --data FILE; scripts/tokenize_squad.py makes one from SQuAD's JSON");
  if (options.max_f1_drop && options.baseline.empty()) {
    fail("--max-f1-drop needs --baseline: the dense model, or the JSON report of its evaluation");
  }
}

// What a model answers can be written, and compared with another one's, without knowing what is right.
bool needs_answers(const EvalOptions& options) {
  const bool gated = options.min_f1 || options.min_exact_match || options.max_f1_drop;
  return gated || (options.predictions.empty() && options.n_best.empty() && options.compare.empty());
}

SquadScore unscored(int64_t questions) {
  return {.all = {questions, std::nan(""), std::nan("")}, .has_answer = {}, .no_answer = {}};
}

EvaluateOptions evaluate_options(const EvalOptions& options, const Ranks& ranks) {
  const int64_t tokens = options.batch_tokens > 0 ? options.batch_tokens : default_batch_tokens(ranks.device);
  return {options.spans, {tokens, options.batch_size}, !options.n_best.empty(), ranks.comm.get()};
}

Baseline checked_baseline(const std::string& path, const EvaluationData& data) {
  Baseline baseline = read_baseline(path);
  if (baseline.data.sha256 != data.sha256 || baseline.data.questions != data.questions) {
    throw Error(ExitStatus::kUsage, "baseline",
                path + " tells of " + std::to_string(baseline.data.questions) + " questions of " +
                    baseline.data.name + ", not of the " + std::to_string(data.questions) + " of " +
                    data.name +
                    " asked here; evaluate the baseline on the same data and with the same --limit");
  }
  return baseline;
}

std::vector<std::pair<std::string, std::string>> settings(const EvalOptions& options, const Models& models,
                                                          const BatchLimits& batches) {
  return {{"device", models.runners[0].device().str()},
          {"dtype", options.dtype},
          {"engine", models.engines()},
          {"padding", models.removes_padding() ? "remove" : "keep"},
          {"threads", std::to_string(at::get_num_threads())},
          {"batch_tokens", std::to_string(batches.tokens)},
          {"batch_size", batches.windows > 0 ? std::to_string(batches.windows) : "any"},
          {"n_best_size", std::to_string(options.spans.n_best)},
          {"max_answer_length", std::to_string(options.spans.max_answer_tokens)},
          {"null_threshold", format_number(options.spans.null_threshold, 6)}};
}

void write_files(const Questions& questions, const ModelAnswers& answers, OutputFiles& files) {
  if (files.predictions) {
    write_predictions(questions, answers, *files.predictions);
    files.predictions->commit();
  }
  if (files.n_best) {
    write_n_best(questions, answers, *files.n_best);
    files.n_best->commit();
  }
}

std::vector<std::string> warnings(const EvalOptions& options, const Models& models, size_t compared,
                                  SquadVersion version) {
  std::vector<std::string> found;
  if (compared > 0 && models.sha256[0] == models.sha256[compared]) {
    found.push_back("--compare names a copy of the model itself");
  }
  if (version == SquadVersion::k11 && options.spans.null_threshold != SpanOptions{}.null_threshold) {
    found.push_back(
        "--null-threshold has no effect: these are SQuAD 1.1's questions, which all have answers");
  }
  return found;
}

AnswerComparison compare(const Questions& questions, const EvaluationReport& report,
                         const std::vector<ModelAnswers>& answers, size_t other) {
  AnswerComparison comparison = compare_answers(questions, answers[0], answers[other], kMostChanged);
  comparison.first = report.evaluation.models[0].name;
  comparison.second = report.evaluation.models[other].name;
  return comparison;
}

void print(const EvaluationReport& report, const OutputOptions& results, OutputFiles& files,
           std::ostream& out) {
  for (const std::string& warning : report.warnings) log::warn(warning);
  if (files.json) {
    files.json->write(evaluation_json(report));
    files.json->commit();
  }
  if (results.prints_results) out << evaluation_summary(report, results.format);
}

void eval(const EvalOptions& options, std::ostream& out) {
  check_options(options);
  const Ranks ranks = join_ranks(options.device);
  const at::Device device = ranks.device;
  if (options.threads > 0) at::set_num_threads(options.threads);
  if (device.is_cpu()) keep_freed_memory();
  OutputFiles files(options, ranks.first());
  EvaluationReport report;
  report.command = options.command;
  report.started = utc_now();
  report.environment = environment();
  const EvaluationInput input(options.data, options.limit, needs_answers(options));
  const Questions& questions = input.questions();

  Models models;
  models.load(options.model, device, options);
  size_t compared = 0;
  size_t dense = 0;
  std::optional<Baseline> baseline;
  if (!options.compare.empty()) compared = models.load(options.compare, device, options);
  report.evaluation.data = input.describe();
  if (is_model(options.baseline)) {
    dense = options.baseline == options.compare ? compared : models.load(options.baseline, device, options);
  } else if (!options.baseline.empty()) {
    baseline = checked_baseline(options.baseline, report.evaluation.data);
  }

  report.warnings = warnings(options, models, compared, report.evaluation.data.version);
  const EvaluateOptions how = evaluate_options(options, ranks);
  report.settings = settings(options, models, how.batches);
  std::vector<Runner*> runners;
  for (Runner& runner : models.runners) runners.push_back(&runner);
  const std::vector<ModelAnswers> answers = evaluate(runners, questions, how);
  for (size_t i = 0; i < answers.size(); ++i) {
    report.evaluation.models.push_back(model_score(runners[i]->name(), models.sha256[i], answers[i]));
    if (!report.evaluation.data.scored) report.evaluation.models.back().score = unscored(questions.examples);
  }
  if (compared > 0) report.comparison = compare(questions, report, answers, compared);
  const auto& scores = report.evaluation.models;
  if (dense > 0) baseline = Baseline{scores[dense].score.all.f1, scores[dense].name, report.evaluation.data};
  report.gates = check_gates(options, scores[0].score.all, baseline);
  if (ranks.first()) {
    write_files(questions, answers[0], files);
    print(report, options.results, files, out);
  }
  throw_missed(report.gates);
}

}  // namespace

void run_eval(const EvalOptions& options, std::ostream& out) {
  try {
    eval(options, out);
  } catch (const c10::Error& error) {
    log::debug(error.what());
    throw Error(ExitStatus::kModel, "eval", error.what_without_backtrace());
  }
}

}  // namespace prune2to4
