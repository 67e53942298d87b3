// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/evaluation.h"

#include <cmath>

#include "core/report/view.h"

namespace prune2to4 {
namespace {

using Cells = std::vector<std::string>;

std::string counted(int64_t count, const std::string& thing) {
  return grouped(count) + " " + thing + (count == 1 ? "" : "s");
}

// A number that is none is an empty field.
std::string raw(double value) { return std::isfinite(value) ? format_number(value, 17) : ""; }

std::string raw_count(const std::optional<MeanScore>& mean) {
  return mean ? std::to_string(mean->questions) : "";
}

Cells raw_scores(const std::optional<MeanScore>& mean) {
  if (!mean) return {"", ""};
  return {raw(mean->exact_match), raw(mean->f1)};
}

void append(Cells& row, const Cells& cells) { row.insert(row.end(), cells.begin(), cells.end()); }

Table raw_evaluation_table(const Evaluation& evaluation) {
  const EvaluationData& data = evaluation.data;
  const bool with_unanswerable = data.version == SquadVersion::k20;
  Table table{{{"model"},
               {"sha256"},
               {"data"},
               {"squad_version"},
               {"limited"},
               {"windows"},
               {"questions"},
               {"exact_match"},
               {"f1"}},
              {}};
  if (with_unanswerable) {
    for (const char* title : {"has_answer_questions", "has_answer_exact_match", "has_answer_f1",
                              "no_answer_questions", "no_answer_exact_match", "no_answer_f1"}) {
      table.columns.push_back({title});
    }
  }
  table.columns.push_back({"seconds"});
  table.columns.push_back({"questions_per_second"});
  for (const auto& model : evaluation.models) {
    Cells row{model.name,
              model.sha256,
              data.name,
              squad_version_name(data.version),
              data.limited ? "true" : "false",
              std::to_string(data.windows),
              std::to_string(model.score.all.questions)};
    append(row, raw_scores(model.score.all));
    if (with_unanswerable) {
      for (const auto& mean : {model.score.has_answer, model.score.no_answer}) {
        row.push_back(raw_count(mean));
        append(row, raw_scores(mean));
      }
    }
    append(row, {raw(model.seconds), raw(questions_per_second(model))});
    table.rows.push_back(row);
  }
  return table;
}

Cells scores(const std::optional<MeanScore>& mean) {
  if (!mean) return {"-", "-"};
  return {fixed(mean->f1, 2), fixed(mean->exact_match, 2)};
}

std::string scores_text(const std::vector<ModelScore>& models) {
  if (models.empty()) return "No model scored";
  if (models.size() == 1) {
    const MeanScore& mean = models[0].score.all;
    return fixed(mean.f1, 2) + " F1 and " + fixed(mean.exact_match, 2) + " EM";
  }
  std::string text;
  for (const auto& model : models) {
    text += (text.empty() ? "F1 " : ", ") + fixed(model.score.all.f1, 2) + " (" + model.name + ")";
  }
  return text;
}

}  // namespace

Table evaluation_table(const Evaluation& evaluation, Format format) {
  if (format == Format::kCsv) return raw_evaluation_table(evaluation);
  const bool with_unanswerable = evaluation.data.version == SquadVersion::k20;
  Table table{{{"model"}, {"F1", true}, {"EM", true}}, {}};
  if (with_unanswerable) {
    for (const char* title : {"HasAns F1", "HasAns EM", "NoAns F1", "NoAns EM"}) {
      table.columns.push_back({title, true});
    }
  }
  table.columns.push_back({"time", true});
  table.columns.push_back({"questions/s", true});
  for (const auto& model : evaluation.models) {
    Cells row{model.name};
    append(row, scores(model.score.all));
    if (with_unanswerable) {
      append(row, scores(model.score.has_answer));
      append(row, scores(model.score.no_answer));
    }
    const double rate = questions_per_second(model);
    append(row, {std::isfinite(model.seconds) ? format_seconds(model.seconds) : "-",
                 fixed(rate, rate < 99.95 ? 1 : 0)});
    table.rows.push_back(row);
  }
  return table;
}

std::string evaluation_sentence(const Evaluation& evaluation) {
  const EvaluationData& data = evaluation.data;
  std::string asked = counted(data.questions, "question");
  if (data.limited) {
    asked = data.questions == 1 ? "the first question only" : "the first " + asked + " only";
  }
  if (!data.scored) {
    return single_line("Answered, and not scored, since " + data.name + " has no answers: " + asked + " (" +
                       counted(data.windows, "window") + ").");
  }
  return single_line(scores_text(evaluation.models) + " on " + asked + " (" +
                     counted(data.windows, "window") + ") of " + data.name + ", scored as SQuAD " +
                     squad_version_name(data.version) + ".");
}

}  // namespace prune2to4
