// SPDX-License-Identifier: Apache-2.0
#include "train/curves_json.h"

#include <cmath>

namespace prune2to4 {

double number(const nlohmann::json& json) { return json.is_number() ? json.get<double>() : std::nan(""); }

nlohmann::json points_json(const std::vector<TrainingPoint>& points) {
  nlohmann::json list = nlohmann::json::array();
  for (const TrainingPoint& point : points) {
    list.push_back({point.step, point.epoch, point.loss, point.label_loss, point.distill_loss,
                    point.learning_rate, point.gradient_norm});
  }
  return list;
}

nlohmann::json epochs_json(const std::vector<TrainingEpoch>& epochs) {
  nlohmann::json list = nlohmann::json::array();
  for (const TrainingEpoch& epoch : epochs) {
    nlohmann::json score;
    if (epoch.score) score = {epoch.score->questions, epoch.score->exact_match, epoch.score->f1};
    list.push_back({epoch.epoch, epoch.step, epoch.loss, epoch.seconds, epoch.sparsity, score});
  }
  return list;
}

void read_curves(const nlohmann::json& state, TrainingRun& run) {
  for (const nlohmann::json& each : state.at("points")) {
    run.points.push_back({each[0], number(each[1]), number(each[2]), number(each[3]), number(each[4]),
                          number(each[5]), number(each[6])});
  }
  for (const nlohmann::json& each : state.at("epochs")) {
    TrainingEpoch epoch{each[0], each[1], number(each[2]), number(each[3]), {}, number(each[4])};
    if (!each[5].is_null()) epoch.score = MeanScore{each[5][0], each[5][1], each[5][2]};
    run.epochs.push_back(epoch);
  }
}

}  // namespace prune2to4
