// SPDX-License-Identifier: Apache-2.0
#include "core/report/json_pieces.h"

#include "core/report/view.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::ordered_json;

Json model_json(const ModelScore& model) {
  Json json{{"name", model.name}, {"sha256", text_or_null(model.sha256)}};
  json.update(mean_json(model.score.all));
  json["has_answer"] = mean_json(model.score.has_answer);
  json["no_answer"] = mean_json(model.score.no_answer);
  json["seconds"] = model.seconds;
  json["questions_per_second"] = questions_per_second(model);
  return json;
}

}  // namespace

nlohmann::ordered_json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

nlohmann::ordered_json named_values(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json json = Json::object();
  for (const auto& [name, value] : pairs) json[name] = value;
  return json;
}

nlohmann::ordered_json mean_json(const std::optional<MeanScore>& mean) {
  if (!mean) return {};
  return {{"questions", mean->questions}, {"exact_match", mean->exact_match}, {"f1", mean->f1}};
}

nlohmann::ordered_json evaluation_object(const Evaluation& evaluation) {
  const EvaluationData& data = evaluation.data;
  Json models = Json::array();
  for (const auto& model : evaluation.models) models.push_back(model_json(model));
  return {{"data",
           {{"name", data.name},
            {"sha256", data.sha256},
            {"squad_version", squad_version_name(data.version)},
            {"questions", data.questions},
            {"windows", data.windows},
            {"limited", data.limited}}},
          {"models", models}};
}

nlohmann::ordered_json gate_json(const GateResult& gate) {
  return {{"name", gate.name},
          {"threshold", gate.threshold},
          {"value", gate.value},
          {"passed", gate.passed},
          {"message", gate.message}};
}

std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace prune2to4
