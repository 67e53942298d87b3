// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "../temporary_folder.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "prune2to4/report.h"
#include "sample_report.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;
using nlohmann::json;

Baseline read(const std::string& text) {
  const TemporaryFolder folder;
  write_text_file(folder / "base.json", text);
  return read_baseline(folder / "base.json");
}

// The message without the folder.
std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    std::string message = error.what();
    const size_t name = message.find("base.json");
    return name == std::string::npos ? message : "[baseline] " + message.substr(name);
  }
  return "accepted";
}

// The report of `eval` with one value replaced; without one key.
std::string with(const std::string& pointer, const json& value) {
  json document = json::parse(evaluation_json(sample_evaluation_report()));
  document[json::json_pointer(pointer)] = value;
  return document.dump();
}

std::string without(const std::string& parent, const std::string& key) {
  json document = json::parse(evaluation_json(sample_evaluation_report()));
  document[json::json_pointer(parent)].erase(key);
  return document.dump();
}

CATCH_TEST_CASE("the first model of an evaluation is the baseline") {
  EvaluationReport report;
  report.evaluation = sample_evaluation_v2();
  report.evaluation.data.limited = true;
  report.evaluation.models.push_back(sample_score("other.pt", 1, 2));
  const Baseline baseline = read(evaluation_json(report));
  CATCH_CHECK(baseline.f1 == 75.25);
  CATCH_CHECK(baseline.model == "bert.pt");
  CATCH_CHECK(baseline.data.name == "dev2.safetensors");
  CATCH_CHECK(baseline.data.sha256 == std::string(64, 'd'));
  CATCH_CHECK(baseline.data.version == SquadVersion::k20);
  CATCH_CHECK(baseline.data.questions == 11873);
  CATCH_CHECK(baseline.data.windows == 12232);
  CATCH_CHECK(baseline.data.limited);
}

CATCH_TEST_CASE("the dense model of a prune report is the baseline, wherever it stands") {
  Report report = scored_report();
  std::swap(report.evaluation->models[0], report.evaluation->models[2]);
  const Baseline baseline = read(report_json(report));
  CATCH_CHECK(baseline.f1 == 74.66);
  CATCH_CHECK(baseline.model == "dense");
  CATCH_CHECK(baseline.data.version == SquadVersion::k11);
  CATCH_CHECK_FALSE(baseline.data.limited);
}

CATCH_TEST_CASE("keys that the baseline does not need are not read") {
  CATCH_CHECK(read(with("/later", 1)).f1 == 74.66);
  CATCH_CHECK(read(without("", "gates")).f1 == 74.66);
}

CATCH_TEST_CASE("files that are no report are refused with a way to make one") {
  const std::string mend = "write one with prune2to4 eval MODEL --data FILE --export-json REPORT";
  for (const char* text : {"7", "[]", "\"evaluation\"", "null", "{}", R"({"version": 1})",
                           R"({"f1": 74.6, "exact": 62.1, "total": 10570})", R"({"56be4db0": "Denver"})"}) {
    CATCH_CAPTURE(text);
    CATCH_CHECK_THAT(
        refusal(text),
        StartsWith("[baseline] base.json: top level: this is no report of prune2to4") && Contains(mend));
  }
  CATCH_CHECK_THAT(refusal(R"({"kind": "bench"})"),
                   StartsWith("[baseline] base.json: /kind: must be \"evaluation\"; ") && Contains(mend));
  CATCH_CHECK_THAT(refusal(R"({"kind": "evaluation"})"),
                   Contains(": top level: the key \"version\" is missing; ") && Contains(mend));
  CATCH_CHECK_THAT(refusal(with("/version", 2)),
                   Contains(": /version: must be 1; found 2; ") && Contains(mend));
  CATCH_CHECK_THAT(refusal(with("/version", "\x1b[2J")), Contains(": /version: must be 1; found string; "));
}

CATCH_TEST_CASE("text that is not JSON is refused with line and column") {
  CATCH_CHECK_THAT(refusal(""), StartsWith("[baseline] base.json:1:1: syntax error"));
  CATCH_CHECK_THAT(refusal("{\n\"kind\": evaluation}"), StartsWith("[baseline] base.json:2:9: syntax error"));
  CATCH_CHECK_THAT(refusal(std::string("PK\3\4\0\0", 6)), StartsWith("[baseline] base.json:1:5: NUL byte"));
  CATCH_CHECK_THAT(refusal(R"({"kind": "evaluation", "kind": "evaluation"})"),
                   Contains("/kind: the key appears twice"));
}

CATCH_TEST_CASE("damaged evaluations are refused with the place and the reason") {
  const std::string models = "/evaluation/models";
  CATCH_CHECK_THAT(refusal(without("", "evaluation")),
                   Contains(": top level: the key \"evaluation\" is missing"));
  CATCH_CHECK_THAT(refusal(with("/evaluation", nullptr)),
                   Contains(": /evaluation: must be an object; found null"));
  CATCH_CHECK_THAT(refusal(with(models, json::array())), Contains(": /evaluation/models: must not be empty"));
  CATCH_CHECK_THAT(refusal(with(models, 3)), Contains(": /evaluation/models: must be an array; found 3"));
  CATCH_CHECK_THAT(refusal(with(models + "/0", "dense")),
                   Contains(": /evaluation/models/0: must be an object; found the string \"dense\""));
  CATCH_CHECK_THAT(refusal(without(models + "/0", "f1")),
                   Contains(": /evaluation/models/0: the key \"f1\" is missing"));
  CATCH_CHECK_THAT(refusal(with(models + "/0/f1", nullptr)),
                   Contains(": /evaluation/models/0/f1: must be a number; found null"));
  CATCH_CHECK_THAT(refusal(with(models + "/0/f1", "74.66")),
                   Contains(": /evaluation/models/0/f1: must be a number; found the string \"74.66\""));
  CATCH_CHECK_THAT(refusal(with(models + "/0/f1", 100.5)),
                   Contains(": /evaluation/models/0/f1: must be at most 100; found 100.5"));
  CATCH_CHECK_THAT(refusal(with(models + "/0/name", 1)),
                   Contains(": /evaluation/models/0/name: must be a string; found 1"));
  CATCH_CHECK_THAT(refusal(without("/evaluation", "data")),
                   Contains(": /evaluation: the key \"data\" is missing"));
  CATCH_CHECK_THAT(refusal(with("/evaluation/data/questions", -1)),
                   Contains(": /evaluation/data/questions: must be at least 0; found -1"));
  CATCH_CHECK_THAT(refusal(with("/evaluation/data/limited", "no")),
                   Contains(": /evaluation/data/limited: must be a boolean; found the string \"no\""));
  CATCH_CHECK_THAT(
      refusal(with("/evaluation/data/squad_version", "3.0")),
      Contains(": /evaluation/data/squad_version: must be one of \"1.1\", \"2.0\"; found \"3.0\""));
  CATCH_CHECK_THAT(refusal(with("/evaluation/data/sha256", 5)),
                   Contains(": /evaluation/data/sha256: must be a string; found 5"));
}

CATCH_TEST_CASE("prune reports without a dense score are refused with the command that gives one") {
  const std::string mend = "run prune2to4 prune MODEL --eval FILE again";
  CATCH_CHECK_THAT(
      refusal(report_json(sample_report())),
      StartsWith("[baseline] base.json: /evaluation: this report of prune2to4 prune has no scores; ") &&
          Contains(mend));
  json older = json::parse(report_json(scored_report()));
  older.erase("evaluation");
  CATCH_CHECK_THAT(refusal(older.dump()), Contains(": /evaluation: ") && Contains(mend));
  Report report = scored_report();
  report.evaluation->models.erase(report.evaluation->models.begin());
  CATCH_CHECK_THAT(refusal(report_json(report)),
                   Contains(": /evaluation/models: none is \"dense\"; ") && Contains(mend));
}

CATCH_TEST_CASE("a baseline that cannot be read is an error of the file system") {
  const TemporaryFolder folder;
  write_text_file(folder / "large.json", std::string((1 << 20) + 1, ' '));
  for (const char* name : {"none.json", "large.json", "."}) {
    try {
      read_baseline(folder / name);
      CATCH_FAIL("read " << name);
    } catch (const Error& error) {
      CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
    }
  }
}

}  // namespace
}  // namespace prune2to4
