// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "prune2to4/evaluation.h"

namespace prune2to4 {

inline ModelScore sample_score(const std::string& name, double exact_match, double f1) {
  ModelScore model;
  model.name = name;
  model.score.all = {4000, exact_match, f1};
  model.seconds = 50;
  return model;
}

// Three models on SQuAD 1.1, as `prune --eval` has them.
inline Evaluation sample_evaluation() {
  Evaluation evaluation;
  evaluation.data = {"dev.safetensors", std::string(64, 'd'), SquadVersion::k11, 4000, 4213, false};
  evaluation.models = {sample_score("dense", 62.1, 74.66), sample_score("masked", 25.004, 35.005),
                       sample_score("packed", 25.029, 35.017)};
  evaluation.models[2].sha256 = std::string(64, 'b');
  return evaluation;
}

// One model on SQuAD 2.0.
inline Evaluation sample_evaluation_v2() {
  Evaluation evaluation;
  evaluation.data = {"dev2.safetensors", std::string(64, 'd'), SquadVersion::k20, 11873, 12232, false};
  evaluation.models = {sample_score("bert.pt", 70.5, 75.25)};
  evaluation.models[0].score = {
      {11873, 70.5, 75.25}, MeanScore{5928, 65.5, 75.0}, MeanScore{5945, 75.5, 75.5}};
  return evaluation;
}

// With a comparison, a gate met and a gate missed.
inline EvaluationReport sample_evaluation_report() {
  EvaluationReport report;
  report.command = {"prune2to4", "eval", "bert.pt", "--data", "dev.safetensors"};
  report.started = "2025-01-02T03:04:05Z";
  report.environment = {{"LibTorch", "2.11.0"}, {"CPU", "x86-64"}};
  report.settings = {{"n-best-size", "20"}, {"max-answer-length", "30"}, {"device", "cpu"}};
  report.evaluation = sample_evaluation();
  report.evaluation.models.erase(report.evaluation.models.begin() + 1);
  AnswerComparison comparison{"dense", "packed", 4000, 1234, {}};
  comparison.most_changed = {{"56be4db0",
                              "Which team won?",
                              {"Denver Broncos", "Denver Broncos", "the Broncos"},
                              "Denver Broncos",
                              "",
                              1.0,
                              0.0},
                             {"56be4db1", "Who was it not?", {}, "", "Carolina Panthers", 1.0, 0.0}};
  report.comparison = comparison;
  report.gates = {{"min-f1", 70, 74.66, true, "F1 74.66 is 4.66 above 70.00"},
                  {"max-f1-drop", 1, 39.64, false, "F1 dropped by 39.64, which is 38.64 more than 1.00"}};
  report.warnings = {"only one thread"};
  return report;
}

// Names and texts as a hostile model and a hostile data set could have them.
inline EvaluationReport hostile_evaluation_report() {
  EvaluationReport report = sample_evaluation_report();
  report.evaluation.data.name = "</title><script>.safetensors\n\xff";
  report.evaluation.models[0].name = "<script>alert(1)</script>";
  report.evaluation.models[1].name = "a|b`c`\x1b[2J\xff, \"q\"";
  report.comparison->first = report.evaluation.models[0].name;
  report.comparison->second = report.evaluation.models[1].name;
  report.comparison->most_changed[0].question = "</td><img src=x onerror=alert(1)>\n# heading\n\x1b[31m";
  report.comparison->most_changed[0].first = "{{title}} & \"quoted\" <b>|\xff";
  report.comparison->most_changed[1].question = std::string(1 << 16, 'q');
  report.gates[0].message = "<b>\x1b[0m\n|";
  return report;
}

}  // namespace prune2to4
