// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_schema.h"
#include "core/schemas.h"
#include "prune2to4/error.h"
#include "prune2to4/report.h"
#include "sample_report.h"
#include "strict_schema.h"

namespace prune2to4 {
namespace {

using nlohmann::json;

void check_schema(const json& document) {
  validate_json(document, kEvaluationSchema, "", "eval.json", "report");
}

json document_of(const EvaluationReport& report) { return json::parse(evaluation_json(report)); }

EvaluationReport report_on_v2() {
  EvaluationReport report;
  report.evaluation = sample_evaluation_v2();
  return report;
}

CATCH_TEST_CASE("every kind of evaluation follows the schema") {
  CATCH_CHECK_NOTHROW(check_schema(document_of(sample_evaluation_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(hostile_evaluation_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(report_on_v2())));
}

CATCH_TEST_CASE("the evaluation's schema refuses unknown keys, lacking keys, other versions and kinds") {
  check_is_strict(document_of(sample_evaluation_report()),
                  {"", "/evaluation", "/evaluation/data", "/evaluation/models/0", "/comparison",
                   "/comparison/most_changed/0", "/gates/0"},
                  check_schema);
}

CATCH_TEST_CASE("the JSON of an evaluation holds raw numbers and whole texts") {
  const json document = document_of(hostile_evaluation_report());
  CATCH_CHECK(document["version"] == 1);
  CATCH_CHECK(document["kind"] == "evaluation");
  CATCH_CHECK(document["settings"]["n-best-size"] == "20");
  const json& data = document["evaluation"]["data"];
  CATCH_CHECK(data["squad_version"] == "1.1");
  CATCH_CHECK(data["questions"] == 4000);
  CATCH_CHECK(data["windows"] == 4213);
  CATCH_CHECK(data["limited"] == false);
  const json& models = document["evaluation"]["models"];
  CATCH_CHECK(models[0]["name"] == "<script>alert(1)</script>");
  CATCH_CHECK(models[0]["sha256"].is_null());
  CATCH_CHECK(models[0]["f1"] == 74.66);
  CATCH_CHECK(models[0]["has_answer"].is_null());
  CATCH_CHECK(models[0]["questions_per_second"] == 80.0);
  CATCH_CHECK(models[1]["sha256"] == std::string(64, 'b'));
  const json& comparison = document["comparison"];
  CATCH_CHECK(comparison["changed"] == 1234);
  CATCH_CHECK(comparison["most_changed"][0]["first_f1"] == 100.0);
  CATCH_CHECK(comparison["most_changed"][0]["answers"].size() == 3);
  CATCH_CHECK(comparison["most_changed"][1]["question"] == std::string(1 << 16, 'q'));
  CATCH_CHECK(document["gates"][1]["passed"] == false);
  CATCH_CHECK(document["gates"][1]["threshold"] == 1.0);
}

CATCH_TEST_CASE("SQuAD 2.0 has scores for both kinds of question") {
  const json document = document_of(report_on_v2());
  const json& model = document["evaluation"]["models"][0];
  CATCH_CHECK(document["evaluation"]["data"]["squad_version"] == "2.0");
  CATCH_CHECK(model["has_answer"] == json({{"questions", 5928}, {"exact_match", 65.5}, {"f1", 75.0}}));
  CATCH_CHECK(model["no_answer"]["questions"] == 5945);
  CATCH_CHECK(document["comparison"].is_null());
}

CATCH_TEST_CASE("an evaluation without finite numbers still is JSON that follows the schema") {
  EvaluationReport report = sample_evaluation_report();
  report.evaluation.models[0] = sample_score("dense", std::nan(""), INFINITY);
  report.evaluation.models[0].seconds = 0;
  report.gates[0].value = std::nan("");
  report.comparison->most_changed[0].first_f1 = -INFINITY;
  const json document = document_of(report);
  CATCH_CHECK(document["evaluation"]["models"][0]["f1"].is_null());
  CATCH_CHECK(document["evaluation"]["models"][0]["questions_per_second"].is_null());
  CATCH_CHECK(document["gates"][0]["value"].is_null());
  CATCH_CHECK_NOTHROW(check_schema(document));
}

CATCH_TEST_CASE("the reports of both commands hold the same evaluation") {
  EvaluationReport evaluated;
  evaluated.evaluation = sample_evaluation();
  CATCH_CHECK(json::parse(report_json(scored_report()))["evaluation"] ==
              document_of(evaluated)["evaluation"]);
  const json ours = json::parse(kEvaluationSchema)["definitions"];
  const json theirs = json::parse(kReportSchema)["definitions"];
  for (const char* name : {"count", "percent", "evaluation", "data", "score", "mean"}) {
    CATCH_CHECK(ours.at(name) == theirs.at(name));
  }
}

}  // namespace
}  // namespace prune2to4
