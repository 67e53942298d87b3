// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "prune2to4/evaluation.h"
#include "prune2to4/training_report.h"

// What the JSON forms of the reports have in common.
namespace prune2to4 {

template <typename Value>
nlohmann::ordered_json value_or_null(const std::optional<Value>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}
// Null for an empty text.
nlohmann::ordered_json text_or_null(const std::string& text);
nlohmann::ordered_json named_values(const std::vector<std::pair<std::string, std::string>>& pairs);
nlohmann::ordered_json mean_json(const std::optional<MeanScore>& mean);  // null for none
nlohmann::ordered_json evaluation_object(const Evaluation& evaluation);
nlohmann::ordered_json gate_json(const GateResult& gate);
nlohmann::ordered_json training_array(const std::vector<TrainingRun>& runs);

// Pretty-printed, with a newline; NaN and infinity become null, a byte that is not UTF-8 U+FFFD.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace prune2to4
