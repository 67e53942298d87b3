// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/gate.h"
#include "prune2to4/squad_metric.h"
#include "prune2to4/table.h"

namespace prune2to4 {

// What questions an evaluation asked.
struct EvaluationData {
  std::string name;    // file name only
  std::string sha256;  // of the tokenized file
  SquadVersion version = SquadVersion::k11;
  int64_t questions = 0;  // that were asked
  int64_t windows = 0;
  bool limited = false;  // --limit: not all questions of the file
  bool scored = true;    // false: a test set without answers, whose models have NaN for scores
};

// How one model did.
struct ModelScore {
  std::string name;    // "dense", "masked", "packed"; or the model's file name
  std::string sha256;  // of the model's file; empty for a model that has none of its own
  SquadScore score;
  double seconds = 0;  // in the model and its batches, without loading
};

struct Evaluation {
  EvaluationData data;
  std::vector<ModelScore> models;
};

// A question that two models answer differently.
struct ChangedAnswer {
  std::string id;
  std::string question;
  std::vector<std::string> answers;  // the right ones
  std::string first;
  std::string second;
  double first_f1 = 0;  // 0..1
  double second_f1 = 0;
};

struct AnswerComparison {
  std::string first;  // names of the models
  std::string second;
  int64_t questions = 0;
  int64_t changed = 0;  // answers with another text
  std::vector<ChangedAnswer> most_changed;
};

// Everything `eval` says about a run. The JSON form is versioned (configs/evaluation.schema.json).
struct EvaluationReport {
  static constexpr int kVersion = 1;
  std::vector<std::string> command;  // argv
  std::string started;               // UTC, ISO 8601
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::pair<std::string, std::string>> settings;  // span search, batches, device, dtype
  Evaluation evaluation;  // of the model, and of --compare's or --baseline's when given
  std::optional<AnswerComparison> comparison;
  std::vector<GateResult> gates;
  std::vector<std::string> warnings;
};

// A row a model; with SQuAD 2.0 also columns for questions with and without an answer. kCsv: raw numbers.
Table evaluation_table(const Evaluation& evaluation, Format format);
// "74.66 F1 and 62.10 EM on 4,000 questions (4,213 windows) of dev.safetensors, scored as SQuAD 1.1.": plain
// text on one line; says when only the first questions were asked.
std::string evaluation_sentence(const Evaluation& evaluation);
std::string evaluation_json(
    const EvaluationReport& report);  // pretty-printed, ends with a newline; NaN and infinity are null
// What `eval` prints: for text and Markdown sentence, table, comparison and gates; CSV the table; JSON the
// report.
std::string evaluation_summary(const EvaluationReport& report, Format format);

// What a baseline file says: an evaluation_json() or the JSON report of `prune --eval`.
struct Baseline {
  double f1 = 0;      // of the first model of an evaluation, or of the dense one of a prune report
  std::string model;  // its name
  EvaluationData data;
};
// Throws Error: kFileSystem when it cannot be read, kUsage when it is no such report, "[baseline] FILE:
// /json/pointer: reason".
Baseline read_baseline(const std::filesystem::path& path);

}  // namespace prune2to4
