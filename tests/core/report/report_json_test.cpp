// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_schema.h"
#include "core/schemas.h"
#include "prune2to4/error.h"
#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using nlohmann::json;

void check_schema(const json& document) {
  validate_json(document, kReportSchema, "", "report.json", "report");
}

json document_of(const Report& report) { return json::parse(report_json(report)); }

Report report_without_probe() {
  Report report = sample_report();
  report.probe = ProbeReport{};
  report.probe->reason = "the model takes no token ids";
  return report;
}

CATCH_TEST_CASE("every kind of report follows the schema") {
  CATCH_CHECK_NOTHROW(check_schema(document_of(sample_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(hostile_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(scored_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(trained_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(finetune_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(dry_report())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(report_without_probe())));
  CATCH_CHECK_NOTHROW(check_schema(document_of(Report{})));
}

CATCH_TEST_CASE("the schema refuses keys it does not know, lacking keys and other versions") {
  const json good = document_of(trained_report());
  for (const char* place : {"", "/input", "/totals", "/probe", "/layers/0", "/layers/0/mask", "/timing/0",
                            "/evaluation", "/evaluation/models/0", "/training/0", "/training/0/data",
                            "/training/0/points/0", "/training/0/epochs/1"}) {
    json extra = good;
    extra[json::json_pointer(place)]["unknown"] = 1;
    CATCH_CHECK_THROWS_AS(check_schema(extra), Error);
  }
  for (const auto& [key, value] : good.items()) {
    json lacking = good;
    lacking.erase(key);
    CATCH_CHECK_THROWS_AS(check_schema(lacking), Error);
  }
  json other = good;
  other["version"] = 2;
  CATCH_CHECK_THROWS_AS(check_schema(other), Error);
}

CATCH_TEST_CASE("the JSON holds raw numbers and names") {
  const json document = document_of(sample_report());
  CATCH_CHECK(document["version"] == 1);
  CATCH_CHECK(document["command"].size() == 5);
  const json& layer = document["layers"][0];
  CATCH_CHECK(layer["name"] == "bert.layer.0.weight");
  CATCH_CHECK(layer["shape"] == json({8, 16}));
  CATCH_CHECK(layer["outcome"] == "packed");
  CATCH_CHECK(layer["reason"].is_null());
  CATCH_CHECK(layer["stored_bytes"] == 272);
  CATCH_CHECK(layer["relative_error"] == 0.25);
  CATCH_CHECK(layer["mask"]["ties"] == "lowest_index");
  CATCH_CHECK(document["layers"][1]["outcome"] == "masked");
  CATCH_CHECK(document["layers"][2]["outcome"] == "dense");
  CATCH_CHECK(document["layers"][2]["mask"].is_null());
  CATCH_CHECK(document["totals"]["packed_bytes"] == 272);
  CATCH_CHECK(document["probe"]["largest_logit_difference"] == 3e-7);
  CATCH_CHECK(document["timing"][1] == json({{"stage", "prune"}, {"seconds", 1.25}}));
}

CATCH_TEST_CASE("a permutation has its gain and its proof") {
  const json document = document_of(permuted_report());
  CATCH_CHECK_NOTHROW(check_schema(document));
  CATCH_CHECK(document["permutation"] == json({{"layers", 12},
                                               {"kept_before", 0.8125},
                                               {"kept_after", 0.828125},
                                               {"dtype", "float64"},
                                               {"largest_logit", 4.0},
                                               {"largest_logit_difference", 0x1p-50},
                                               {"seconds", 3.5}}));
  CATCH_CHECK(document_of(sample_report())["permutation"].is_null());
}

CATCH_TEST_CASE("a calibrated run has its data and each layer's output errors") {
  const json document = document_of(calibrated_report());
  CATCH_CHECK_NOTHROW(check_schema(document));
  CATCH_CHECK(document["calibration"] == json({{"method", "reconstruction"},
                                               {"data", "text.safetensors"},
                                               {"sha256", std::string(64, 'c')},
                                               {"windows", 1024},
                                               {"tokens", 204800},
                                               {"seconds", 12.5},
                                               {"peak_bytes", 0},
                                               {"device_peak_bytes", nullptr},
                                               {"sequential", false},
                                               {"correct_bias", false}}));
  CATCH_CHECK(document["layers"][0]["output_error"] == json({{"weight_norm", 0.5}, {"chosen", 0.125}}));
  CATCH_CHECK(document["layers"][2]["output_error"].is_null());
  CATCH_CHECK(document_of(sample_report())["calibration"].is_null());
}

CATCH_TEST_CASE("a sensitivity has its data and each layer's cost, with F1 where there is one") {
  const json document = document_of(sensitivity_report(true));
  CATCH_CHECK_NOTHROW(check_schema(document));
  CATCH_CHECK(document["sensitivity"]["dense_f1"] == 74.5);
  CATCH_CHECK(document["sensitivity"]["windows"] == 1738);
  CATCH_CHECK(document["sensitivity"]["layers"][0] == json({{"name", "bert.layer.1.weight"},
                                                            {"logit_error", 0.25},
                                                            {"divergence", 0.5},
                                                            {"f1", 70.25},
                                                            {"skipped", true}}));
  const json unscored = document_of(sensitivity_report(false));
  CATCH_CHECK_NOTHROW(check_schema(unscored));
  CATCH_CHECK(unscored["sensitivity"]["dense_f1"].is_null());
  CATCH_CHECK(unscored["sensitivity"]["layers"][1]["f1"].is_null());
  CATCH_CHECK(document_of(sample_report())["sensitivity"].is_null());
}

CATCH_TEST_CASE("NaN and infinity are null") {
  Report report = sample_report();
  report.layers[0].relative_error = std::nan("");
  report.probe->largest_logit = INFINITY;
  const json document = document_of(report);
  CATCH_CHECK(document["layers"][0]["relative_error"].is_null());
  CATCH_CHECK(document["probe"]["largest_logit"].is_null());
  CATCH_CHECK_NOTHROW(check_schema(document));
}

CATCH_TEST_CASE("a dry run claims no file and no comparison") {
  const json document = document_of(dry_report());
  CATCH_CHECK(document["dry_run"] == true);
  CATCH_CHECK(document["output"].is_null());
  CATCH_CHECK(document["probe"].is_null());
  CATCH_CHECK(document["evaluation"].is_null());
}

}  // namespace
}  // namespace prune2to4
