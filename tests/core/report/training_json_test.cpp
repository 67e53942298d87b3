// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_schema.h"
#include "core/schemas.h"
#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using nlohmann::json;

json document_of(const Report& report) {
  const json document = json::parse(report_json(report));
  validate_json(document, kReportSchema, "", "report.json", "report");
  return document;
}

CATCH_TEST_CASE("the JSON of a training run holds its numbers, curves and recipe") {
  const json training = document_of(trained_report()).at("training");
  CATCH_REQUIRE(training.size() == 2);
  const json& run = training[0];
  CATCH_CHECK(run["name"] == "sparse");
  CATCH_CHECK(training[1]["name"] == "dense + same budget");
  CATCH_CHECK(run["data"]["name"] == "train.safetensors");
  CATCH_CHECK(run["data"]["windows"] == 3200);
  CATCH_CHECK(run["steps"] == 200);
  CATCH_CHECK(run["skipped_steps"] == 1);
  CATCH_CHECK(run["windows_per_second"] == 800);
  CATCH_CHECK(run["recipe"]["learning_rate"] == "0.001");
  CATCH_CHECK(run["points"].size() == 4);
  CATCH_CHECK(run["points"][1] == json({{"step", 100},
                                        {"epoch", 1.0},
                                        {"loss", 2.0},
                                        {"label_loss", 2.5},
                                        {"distill_loss", 1.5},
                                        {"learning_rate", 7.5e-4},
                                        {"gradient_norm", 1.5}}));
  CATCH_CHECK(run["epochs"][1]["score"] ==
              json({{"questions", 4000}, {"exact_match", 61.0}, {"f1", 72.125}}));
  CATCH_CHECK(run["epochs"][1]["sparsity"] == 0.5);
}

CATCH_TEST_CASE("a report without training says so by an empty list") {
  CATCH_CHECK(document_of(sample_report()).at("training") == json::array());
}

CATCH_TEST_CASE("what a training run does not have is null") {
  Report report = finetune_report();
  TrainingRun& run = report.training[0];
  run.teacher.clear();
  run.epochs[0].score.reset();
  run.points[1].loss = std::nan("");
  run.points[2].gradient_norm = INFINITY;
  run.epochs[1].loss = -INFINITY;
  run.windows_per_second = INFINITY;
  const json written = document_of(report).at("training").at(0);
  CATCH_CHECK(written["teacher"].is_null());
  CATCH_CHECK(written["epochs"][0]["score"].is_null());
  CATCH_CHECK(written["points"][1]["loss"].is_null());
  CATCH_CHECK(written["points"][2]["gradient_norm"].is_null());
  CATCH_CHECK(written["epochs"][1]["loss"].is_null());
  CATCH_CHECK(written["windows_per_second"].is_null());
}

}  // namespace
}  // namespace prune2to4
