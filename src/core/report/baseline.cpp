// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json_document.h"
#include "core/json_schema.h"
#include "core/report/view.h"
#include "core/schemas.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "prune2to4/evaluation.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

constexpr const char* kStage = "baseline";
constexpr const char* kEvalMend = "write one with prune2to4 eval MODEL --data FILE --export-json REPORT";
constexpr const char* kPruneMend = "run prune2to4 prune MODEL --eval FILE again for one that has";

[[noreturn]] void fail(const std::string& file, const std::string& pointer, const std::string& reason) {
  throw Error(ExitStatus::kUsage, kStage, at_json_path(file, pointer, reason));
}

// Whether it is a report of `eval`; otherwise it is one of `prune`. Refuses what is neither.
bool is_evaluation(const Json& document, const std::string& file) {
  if (!document.is_object()) {
    fail(file, "", std::string("this is no report of prune2to4; ") + kEvalMend);
  }
  if (const auto kind = document.find("kind"); kind != document.end()) {
    if (*kind == "evaluation") return true;
    fail(file, "/kind", std::string("must be \"evaluation\"; ") + kEvalMend);
  }
  if (document.contains("layers") && document.contains("command")) return false;
  fail(file, "", std::string("this is no report of prune2to4 eval or prune; ") + kEvalMend);
}

void check_version(const Json& document, const std::string& file) {
  static_assert(EvaluationReport::kVersion == 1);
  const auto version = document.find("version");
  if (version == document.end()) fail(file, "", std::string("the key \"version\" is missing; ") + kEvalMend);
  if (*version == EvaluationReport::kVersion) return;
  const std::string found = version->is_number() ? version->dump() : version->type_name();
  fail(file, "/version", "must be 1; found " + found + "; " + kEvalMend);
}

// The index of the model to compare with.
size_t baseline_index(const Json& models, bool evaluation, const std::string& file) {
  if (evaluation) return 0;
  const auto dense = std::find_if(models.begin(), models.end(),
                                  [](const Json& model) { return model.at("name") == "dense"; });
  if (dense == models.end()) {
    fail(file, "/evaluation/models", std::string("none is \"dense\"; ") + kPruneMend);
  }
  return static_cast<size_t>(dense - models.begin());
}

}  // namespace

Baseline read_baseline(const std::filesystem::path& path) {
  const std::string file = path.string();
  const Json document = parse_json(read_text_file(path, kMaxJsonBytes), file, kStage);
  const bool evaluation = is_evaluation(document, file);
  check_version(document, file);
  if (!evaluation && (!document.contains("evaluation") || document.at("evaluation").is_null())) {
    fail(file, "/evaluation", std::string("this report of prune2to4 prune has no scores; ") + kPruneMend);
  }
  validate_json(document, kEvaluationSchema, "baseline", file, kStage);

  const Json& scores = document.at("evaluation");
  const Json& model = scores.at("models").at(baseline_index(scores.at("models"), evaluation, file));
  const Json& data = scores.at("data");
  Baseline baseline;
  baseline.f1 = model.at("f1").get<double>();
  baseline.model = model.at("name").get<std::string>();
  baseline.data = {.name = data.at("name").get<std::string>(),
                   .sha256 = data.at("sha256").get<std::string>(),
                   .version = data.at("squad_version") == squad_version_name(SquadVersion::k20)
                                  ? SquadVersion::k20
                                  : SquadVersion::k11,
                   .questions = data.at("questions").get<int64_t>(),
                   .windows = data.at("windows").get<int64_t>(),
                   .limited = data.at("limited").get<bool>()};
  return baseline;
}

}  // namespace prune2to4
