// SPDX-License-Identifier: Apache-2.0
#include "core/report/json_pieces.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::ordered_json;

Json point_json(const TrainingPoint& point) {
  return {{"step", point.step},
          {"epoch", point.epoch},
          {"loss", point.loss},
          {"label_loss", point.label_loss},
          {"distill_loss", point.distill_loss},
          {"learning_rate", point.learning_rate},
          {"gradient_norm", point.gradient_norm}};
}

Json epoch_json(const TrainingEpoch& epoch) {
  return {{"epoch", epoch.epoch},
          {"step", epoch.step},
          {"loss", epoch.loss},
          {"seconds", epoch.seconds},
          {"score", mean_json(epoch.score)},
          {"sparsity", epoch.sparsity}};
}

Json run_json(const TrainingRun& run) {
  Json points = Json::array();
  for (const auto& point : run.points) points.push_back(point_json(point));
  Json epochs = Json::array();
  for (const auto& epoch : run.epochs) epochs.push_back(epoch_json(epoch));
  return {{"name", run.name},
          {"data", {{"name", run.data}, {"sha256", run.data_sha256}, {"windows", run.windows}}},
          {"steps", run.steps},
          {"skipped_steps", run.skipped_steps},
          {"resumed_at", run.resumed_at},
          {"restarts", run.restarts},
          {"seconds", run.seconds},
          {"windows_per_second", run.windows_per_second},
          {"peak_bytes", run.peak_bytes},
          {"ranks", run.ranks},
          {"engine", run.engine},
          {"teacher", text_or_null(run.teacher)},
          {"dropout_places", run.dropout_places},
          {"recipe", named_values(run.recipe)},
          {"epochs", epochs},
          {"points", points}};
}

}  // namespace

nlohmann::ordered_json training_array(const std::vector<TrainingRun>& runs) {
  Json json = Json::array();
  for (const auto& run : runs) json.push_back(run_json(run));
  return json;
}

}  // namespace prune2to4
