// SPDX-License-Identifier: Apache-2.0
#include "core/report/training_section.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/report/training_curves.h"
#include "core/report/view.h"

namespace prune2to4 {
namespace {

using Runs = std::vector<TrainingRun>;

std::string counted(int64_t count, const std::string& thing) {
  return grouped(count) + " " + thing + (count == 1 ? "" : "s");
}

// A number that is none is an empty field.
std::string raw(double value) { return std::isfinite(value) ? format_number(value, 9) : ""; }

std::string loss_text(double loss) { return fixed(loss, std::fabs(loss) < 0.0995 ? 4 : 3); }

std::string time_text(double seconds) { return std::isfinite(seconds) ? format_seconds(seconds) : "-"; }

// 0 when the recipe does not hold one.
double recipe_number(const TrainingRun& run, std::string_view key) {
  double number = 0;
  for (const auto& [name, value] : run.recipe) {
    if (name == key) std::from_chars(value.data(), value.data() + value.size(), number);
  }
  return number;
}

std::string steps_text(const TrainingRun& run) {
  const double windows = recipe_number(run, "batch_size") * std::max(1.0, recipe_number(run, "accumulate"));
  return counted(run.steps, "step") + (windows > 0 ? " of " + counted(std::llround(windows), "window") : "");
}

std::string rate_text(double rate) { return rate < 99.95 ? fixed(rate, 1) : grouped(std::llround(rate)); }

// What is worth saying of some runs only.
std::string circumstances(const TrainingRun& run) {
  std::string text;
  if (run.ranks > 1) text += "; " + counted(run.ranks, "rank");
  if (run.resumed_at > 0) text += "; resumed at step " + grouped(run.resumed_at);
  if (run.restarts > 0) {
    text += "; diverged and went back to a checkpoint with half the rate" +
            (run.restarts == 1 ? std::string() : " " + counted(run.restarts, "time"));
  }
  if (!run.engine.empty()) text += "; engine: " + run.engine;
  if (!run.teacher.empty()) text += "; teacher: " + run.teacher;
  if (run.dropout_places > 0) text += "; dropout at " + counted(run.dropout_places, "place");
  if (run.peak_bytes > 0) text += "; peak memory " + format_bytes(run.peak_bytes);
  if (!run.data.empty()) text += "; " + counted(run.windows, "window") + " of " + run.data;
  return text;
}

bool any_epoch(const Runs& runs, bool (*has)(const TrainingEpoch&)) {
  return std::any_of(runs.begin(), runs.end(), [has](const TrainingRun& run) {
    return std::any_of(run.epochs.begin(), run.epochs.end(), has);
  });
}

Table raw_training_table(const Runs& runs) {
  Table table{{{"run"}, {"epoch"}, {"step"}, {"loss"}, {"f1"}, {"exact_match"}, {"sparsity"}, {"seconds"}},
              {}};
  for (const auto& run : runs) {
    for (const auto& epoch : run.epochs) {
      table.rows.push_back({run.name, std::to_string(epoch.epoch), std::to_string(epoch.step),
                            raw(epoch.loss), epoch.score ? raw(epoch.score->f1) : "",
                            epoch.score ? raw(epoch.score->exact_match) : "", raw(epoch.sparsity),
                            raw(epoch.seconds)});
    }
  }
  return table;
}

}  // namespace

std::optional<LossChange> loss_change(const TrainingRun& run) {
  const Curve curve = drawable_part(smoothed(thinned(curve_of(run, &TrainingPoint::loss))));
  if (curve.empty()) return std::nullopt;
  return LossChange{curve.front().second, curve.back().second};
}

std::string training_length(const TrainingRun& run) {
  // The last point lies before the end.
  double epochs = recipe_number(run, "max_steps") == 0 ? recipe_number(run, "epochs") : 0;
  if (epochs <= 0 && !run.points.empty()) epochs = run.points.back().epoch;
  if (!std::isfinite(epochs) || epochs <= 0) return counted(run.steps, "step");
  const std::string number = format_number(epochs, 3);
  return number + (number == "1" ? " epoch" : " epochs");
}

std::string training_sentence(const TrainingRun& run) {
  std::string text = run.name + ": " + steps_text(run) + " in " + time_text(run.seconds) + " (" +
                     rate_text(run.windows_per_second) + " windows/s), " + grouped(run.skipped_steps) +
                     " skipped";
  if (const auto loss = loss_change(run)) {
    text += ", loss from " + loss_text(loss->first) + " to " + loss_text(loss->last);
  }
  return single_line(text + circumstances(run) + ".");
}

std::string recipe_sentence(const Runs& runs, size_t index) {
  const TrainingRun& run = runs[index];
  if (run.recipe.empty() || (index > 0 && run.recipe == runs[index - 1].recipe)) return "";
  std::string values;
  for (const auto& [key, value] : run.recipe) values += (values.empty() ? "" : ", ") + key + " " + value;
  return single_line((runs.size() == 1 ? "Recipe: " : "Recipe of " + run.name + ": ") + values + ".");
}

Table training_table(const Runs& runs, Format format) {
  if (format == Format::kCsv) return raw_training_table(runs);
  const bool several = runs.size() > 1;
  const bool scores = any_epoch(runs, [](const TrainingEpoch& epoch) { return epoch.score.has_value(); });
  const bool zeros = any_epoch(runs, [](const TrainingEpoch& epoch) { return epoch.sparsity > 0; });
  Table table;
  const auto column = [&table](const char* title, bool right) { table.columns.push_back({title, right}); };
  if (several) column("run", false);
  for (const char* title : {"epoch", "step", "loss"}) column(title, true);
  if (scores) column("F1", true);
  if (scores) column("EM", true);
  if (zeros) column("zeros", true);
  column("time", true);
  for (const auto& run : runs) {
    for (const auto& epoch : run.epochs) {
      std::vector<std::string> row;
      if (several) row.push_back(run.name);
      row.insert(row.end(), {grouped(epoch.epoch), grouped(epoch.step), loss_text(epoch.loss)});
      if (scores) row.push_back(epoch.score ? fixed(epoch.score->f1, 2) : "-");
      if (scores) row.push_back(epoch.score ? fixed(epoch.score->exact_match, 2) : "-");
      if (zeros) row.push_back(fixed(100 * epoch.sparsity, 1) + "%");
      row.push_back(time_text(epoch.seconds));
      table.rows.push_back(row);
    }
  }
  return table;
}

std::string training_section(const Runs& runs, Format format) {
  const bool markdown = format == Format::kMarkdown;
  std::string text;
  for (size_t i = 0; i < runs.size(); ++i) {
    const std::string sentence = training_sentence(runs[i]);
    text += markdown ? "- " + escape_markdown(sentence) + "\n" : sentence + "\n";
    if (const auto recipe = recipe_sentence(runs, i); markdown && !recipe.empty()) {
      text += "- " + escape_markdown(recipe) + "\n";
    }
  }
  const Table table = training_table(runs, format);
  return table.rows.empty() ? text : text + "\n" + render(table, format);
}

}  // namespace prune2to4
