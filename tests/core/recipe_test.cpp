// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/recipe.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/schemas.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

Recipe read(const std::string& text, const Recipe& base = {}) {
  const TemporaryFolder folder;
  write_text_file(folder / "recipe.json", text);
  return read_recipe(folder / "recipe.json", base);
}

// The message without the folder.
std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    const std::string message = error.what();
    const size_t name = message.find("recipe.json");
    return name == std::string::npos ? message : "[recipe] " + message.substr(name);
  }
  return "accepted";
}

std::string refusal_of(const std::string& key_and_value) {
  const std::string message = refusal(R"({"version": 1, )" + key_and_value + "}");
  const std::string start = "[recipe] recipe.json: ";
  return message.starts_with(start) ? message.substr(start.size()) : message;
}

Recipe every_field() {
  Recipe recipe;
  recipe.epochs = 0.5;
  recipe.max_steps = 123;
  recipe.batch_size = 8;
  recipe.accumulate = 4;
  recipe.learning_rate = 1e-5;
  recipe.schedule = RateSchedule::kCosine;
  recipe.warmup = 0.1;
  recipe.weight_decay = 0;
  recipe.clip_norm = 0.3;
  recipe.dropout = 0.05;
  recipe.precision = Precision::kFp16;
  recipe.seed = 42;
  recipe.distill_weight = 0;
  recipe.temperature = 1.5;
  recipe.hidden_weight = 2.25;
  recipe.ema = 0.999;
  recipe.mask_policy = MaskPolicy::kGradual;
  recipe.mask_score = MaskScore::kMomentum;
  recipe.mask_end = 1;
  recipe.mask_interval = 7;
  return recipe;
}

CATCH_TEST_CASE("a recipe as JSON reads back over any other") {
  for (const Recipe& recipe : {Recipe{}, every_field()}) {
    CATCH_CHECK(read(recipe_json(recipe), Recipe{}) == recipe);
    CATCH_CHECK(read(recipe_json(recipe), every_field()) == recipe);
  }
  Recipe seeded;
  seeded.seed = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  seeded.learning_rate = 0.1 + 0.2;
  CATCH_CHECK(read(recipe_json(seeded)) == seeded);
}

CATCH_TEST_CASE("keys of a recipe file replace those of the base, the others stay") {
  const Recipe base = every_field();
  Recipe expected = base;
  expected.epochs = 4;
  expected.schedule = RateSchedule::kConstant;
  expected.precision = Precision::kBf16;
  CATCH_CHECK(read(R"({"version": 1, "epochs": 4, "schedule": "constant", "precision": "bf16"})", base) ==
              expected);
  CATCH_CHECK(read(R"({"version": 1})", base) == base);
  expected = base;
  expected.dropout.reset();
  expected.precision.reset();
  CATCH_CHECK(read(R"({"version": 1, "dropout": "auto", "precision": "auto"})", base) == expected);
}

CATCH_TEST_CASE("the recipe schema has every key of a recipe and no other") {
  const auto schema = nlohmann::json::parse(kRecipeSchema);
  const auto values = recipe_values(Recipe{});
  CATCH_CHECK(schema.at("properties").size() == values.size() + 2);  // $schema, version
  for (const auto& [key, value] : values) {
    CATCH_INFO(key);
    CATCH_CHECK(schema.at("properties").contains(key));
  }
  const auto names = [&](const char* key) { return schema.at("properties").at(key).at("enum"); };
  CATCH_CHECK(names("schedule").size() == kRateSchedules.size());
  CATCH_CHECK(names("precision").size() == kPrecisions.size() + 1);  // auto
  CATCH_CHECK(names("mask_policy").size() == kMaskPolicies.size());
  CATCH_CHECK(names("mask_score").size() == kMaskScores.size());
}

CATCH_TEST_CASE("every name that the recipe schema allows is known") {
  const auto schema = nlohmann::json::parse(kRecipeSchema);
  for (const char* key : {"schedule", "precision", "mask_policy", "mask_score"}) {
    for (const auto& name : schema.at("properties").at(key).at("enum")) {
      const nlohmann::json document{{"version", 1}, {key, name}};
      const auto values = recipe_values(read(document.dump()));
      CATCH_CHECK(std::count(values.begin(), values.end(), std::pair<std::string, std::string>(key, name)) ==
                  1);
    }
  }
}

CATCH_TEST_CASE("what a recipe file has wrong is told with its place") {
  CATCH_CHECK(refusal("[]") == "[recipe] recipe.json: top level: must be an object; found an array");
  CATCH_CHECK(refusal("{}") == R"([recipe] recipe.json: top level: the key "version" is missing)");
  CATCH_CHECK(refusal(R"({"version": 2})") == "[recipe] recipe.json: /version: must be 1; found 2");
  CATCH_CHECK_THAT(refusal_of(R"("learning-rate": 1)"),
                   Contains(R"(/learning-rate: unknown key; did you mean "learning_rate"?)"));
  CATCH_CHECK(refusal_of(R"("epochs": "3")") == R"(/epochs: must be a number; found the string "3")");
  CATCH_CHECK(refusal_of(R"("batch_size": 1.5)") == "/batch_size: must be an integer; found 1.5");
  CATCH_CHECK(refusal_of(R"("schedule": "step")") ==
              R"(/schedule: must be one of "linear", "cosine", "constant"; found "step")");
  CATCH_CHECK(refusal_of(R"("dropout": true)") == "/dropout: must be a number or a string; found true");
  CATCH_CHECK(refusal_of(R"("dropout": "off")") == R"(/dropout: must be a number or "auto"; found "off")");
  CATCH_CHECK(refusal_of(R"("seed": -1)") == "/seed: must be at least 0; found -1");
}

CATCH_TEST_CASE("values that cannot be are refused in a recipe file") {
  for (const char* bad :
       {R"("epochs": 0)", R"("epochs": 1e9)", R"("max_steps": -1)", R"("batch_size": 0)",
        R"("accumulate": 0)", R"("learning_rate": 0)", R"("learning_rate": -1)", R"("warmup": 1.01)",
        R"("weight_decay": -0.1)", R"("clip_norm": -1)", R"("dropout": 1)", R"("dropout": -0.1)",
        R"("distill_weight": 1.1)", R"("temperature": 0)", R"("hidden_weight": -1)", R"("ema": 1)",
        R"("mask_end": 0)", R"("mask_end": 1.5)", R"("mask_interval": 0)"}) {
    const std::string text = bad;
    const std::string key = text.substr(1, text.find('"', 1) - 1);
    CATCH_INFO(text);
    CATCH_CHECK_THAT(refusal_of(text), Catch::Matchers::StartsWith("/" + key + ": must be "));
  }
  CATCH_CHECK(refusal_of(R"("dropout": 1)") == "/dropout: must be at least 0 and below 1; found 1");
  CATCH_CHECK(refusal_of(R"("temperature": 0)") == "/temperature: must be above 0; found 0");
  for (const char* good :
       {R"("epochs": 0.001)", R"("warmup": 0)", R"("warmup": 1)", R"("dropout": 0)", R"("clip_norm": 0)",
        R"("ema": 0)", R"("mask_end": 1)", R"("distill_weight": 1)"}) {
    CATCH_CHECK(refusal_of(good) == "accepted");
  }
}

CATCH_TEST_CASE("values that no file can have are refused too") {
  CATCH_CHECK_NOTHROW(check_recipe(Recipe{}));
  CATCH_CHECK_NOTHROW(check_recipe(every_field()));
  Recipe recipe;
  recipe.learning_rate = std::nan("");
  CATCH_CHECK_THROWS_WITH(check_recipe(recipe), "[recipe] learning_rate: must be above 0; found nan");
  recipe = {};
  recipe.weight_decay = INFINITY;
  CATCH_CHECK_THROWS_WITH(check_recipe(recipe), "[recipe] weight_decay: must be at least 0; found inf");
  recipe = {};
  recipe.seed = uint64_t{1} << 63;
  CATCH_CHECK_THROWS_WITH(check_recipe(recipe),
                          Contains("[recipe] seed: must be at most 9223372036854775807"));
  recipe = {};
  recipe.mask_interval = -5;
  CATCH_CHECK_THROWS_AS(check_recipe(recipe), Error);
}

CATCH_TEST_CASE("a recipe that cannot be read is an error of the file system") {
  try {
    read_recipe("/nowhere/recipe.json", {});
    CATCH_FAIL("accepted");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
  }
}

CATCH_TEST_CASE("recipe values are text, in order, unset ones auto") {
  const auto values = recipe_values(Recipe{});
  CATCH_REQUIRE(values.size() == 20);
  CATCH_CHECK(values[0] == std::pair<std::string, std::string>("epochs", "3"));
  CATCH_CHECK(values[4] == std::pair<std::string, std::string>("learning_rate", "0.0002"));
  CATCH_CHECK(values[5] == std::pair<std::string, std::string>("schedule", "linear"));
  CATCH_CHECK(values[9] == std::pair<std::string, std::string>("dropout", "auto"));
  CATCH_CHECK(values[10] == std::pair<std::string, std::string>("precision", "auto"));
  CATCH_CHECK(values[19] == std::pair<std::string, std::string>("mask_interval", "50"));
  CATCH_CHECK(recipe_values(every_field())[10].second == "fp16");
  CATCH_CHECK(precision_name(Precision::kTf32) == "tf32");
}

CATCH_TEST_CASE("each size of model has its recipe") {
  std::string name;
  const auto named = [&](int64_t parameters) {
    CATCH_CHECK_NOTHROW(check_recipe(default_recipe(parameters, name)));
    return name;
  };
  CATCH_CHECK(named(0) == "tiny");
  CATCH_CHECK(named(5'000'000) == "tiny");
  CATCH_CHECK(named(5'000'001) == "small");
  CATCH_CHECK(named(60'000'000) == "small");
  CATCH_CHECK(named(109'000'000) == "base");
  CATCH_CHECK(named(335'000'000) == "large");
  CATCH_CHECK(named(std::numeric_limits<int64_t>::max()) == "large");
  CATCH_CHECK(default_recipe(335'000'000, name).accumulate > 1);
  CATCH_CHECK(default_recipe(1, name).learning_rate > default_recipe(335'000'000, name).learning_rate);
}

}  // namespace
}  // namespace prune2to4
