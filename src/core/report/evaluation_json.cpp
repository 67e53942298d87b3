// SPDX-License-Identifier: Apache-2.0
#include "core/report/json_pieces.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::ordered_json;

// F1 in per cent, as everywhere in the JSON.
Json changed_json(const ChangedAnswer& answer) {
  return {{"id", answer.id},
          {"question", answer.question},
          {"answers", answer.answers},
          {"first", answer.first},
          {"second", answer.second},
          {"first_f1", 100 * answer.first_f1},
          {"second_f1", 100 * answer.second_f1}};
}

Json comparison_json(const AnswerComparison& comparison) {
  Json changed = Json::array();
  for (const auto& answer : comparison.most_changed) changed.push_back(changed_json(answer));
  return {{"first", comparison.first},
          {"second", comparison.second},
          {"questions", comparison.questions},
          {"changed", comparison.changed},
          {"most_changed", changed}};
}

}  // namespace

std::string evaluation_json(const EvaluationReport& report) {
  Json gates = Json::array();
  for (const auto& gate : report.gates) gates.push_back(gate_json(gate));
  return json_text({{"version", EvaluationReport::kVersion},
                    {"kind", "evaluation"},
                    {"command", report.command},
                    {"started", report.started},
                    {"environment", named_values(report.environment)},
                    {"settings", named_values(report.settings)},
                    {"evaluation", evaluation_object(report.evaluation)},
                    {"comparison", report.comparison ? comparison_json(*report.comparison) : Json()},
                    {"gates", gates},
                    {"warnings", report.warnings}});
}

}  // namespace prune2to4
