// SPDX-License-Identifier: Apache-2.0
#include "core/json_schema.h"

#include <catch2/catch.hpp>

#include "core/schemas.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr const char* kSchema = R"({
  "type": "object",
  "required": ["name"],
  "additionalProperties": false,
  "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 4},
    "size": {"$ref": "#/definitions/size"},
    "kind": {"enum": ["red", "green", 3]},
    "one": {"const": 1},
    "list": {"type": "array", "minItems": 2, "maxItems": 3, "items": {"$ref": "#/definitions/item"}}
  },
  "definitions": {
    "size": {"type": "integer", "minimum": 1, "maximum": 8},
    "item": {
      "type": "object",
      "properties": {"left": {"type": "boolean"}, "right": {"type": "boolean"}},
      "oneOf": [{"required": ["left"]}, {"required": ["right"]}]
    }
  }
})";

std::string verdict(const char* document, const std::string& definition = "") {
  try {
    validate_json(nlohmann::json::parse(document), kSchema, definition, "f", "stage");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
  return "valid";
}

CATCH_TEST_CASE("documents that fit the schema pass", "[json_schema]") {
  CATCH_CHECK(verdict(R"({"name": "a"})") == "valid");
  CATCH_CHECK(
      verdict(
          R"({"name": "a", "size": 8, "kind": 3, "one": 1, "list": [{"left": true}, {"right": true}]})") ==
      "valid");
}

CATCH_TEST_CASE("violations are told with their place and what would fit", "[json_schema]") {
  const auto [document, message] = GENERATE(table<const char*, const char*>({
      {"[]", "top level: must be an object; found an array"},
      {"{}", R"(top level: the key "name" is missing)"},
      {R"({"name": 1})", "/name: must be a string; found 1"},
      {R"({"name": ""})", "/name: must not be empty"},
      {R"({"name": "abcde"})", "/name: must have at most 4 characters; found 5"},
      {R"({"name": "a", "size": "8"})", R"(/size: must be an integer; found the string "8")"},
      {R"({"name": "a", "size": 8.5})", "/size: must be an integer; found 8.5"},
      {R"({"name": "a", "size": 0})", "/size: must be at least 1; found 0"},
      {R"({"name": "a", "size": 9})", "/size: must be at most 8; found 9"},
      {R"({"name": "a", "kind": "blue"})", R"(/kind: must be one of "red", "green", 3; found "blue")"},
      {R"({"name": "a", "one": 2})", "/one: must be 1; found 2"},
      {R"({"name": "a", "list": [1]})", "/list/0: must be an object; found 1"},
      {R"({"name": "a", "list": []})", "/list: must have at least 2 items; found 0"},
      {R"({"name": "a", "list": [{"left": true}]})", "/list: must have at least 2 items; found 1"},
      {R"({"name": "a", "list": [{"left": true}, {}]})",
       R"(/list/1: needs exactly one of the keys "left", "right"; it has none)"},
      {R"({"name": "a", "list": [{"left": true}, {"left": true, "right": true}]})",
       R"(/list/1: needs exactly one of the keys "left", "right"; it has "left", "right")"},
  }));
  CATCH_CHECK(verdict(document) == "[stage] f: " + std::string(message));
}

CATCH_TEST_CASE("an unknown key is told with the known ones, and the nearest if it is near",
                "[json_schema]") {
  CATCH_CHECK(verdict(R"({"nam": "a"})") == R"([stage] f: /nam: unknown key; did you mean "name"? )"
                                            R"((known here: "kind", "list", "name", "one", "size"))");
  CATCH_CHECK(verdict(R"({"name": "a", "it's: 'x'": 1})") ==
              R"([stage] f: /it's: 'x': unknown key (known here: "kind", "list", "name", "one", "size"))");
}

CATCH_TEST_CASE("the deepest of several violations is told", "[json_schema]") {
  CATCH_CHECK_THAT(verdict(R"({"size": 9, "list": [{"left": 1}]})"),
                   Catch::Contains("/list/0/left: must be a boolean"));
}

CATCH_TEST_CASE("a document can be held against one definition", "[json_schema]") {
  CATCH_CHECK(verdict("5", "size") == "valid");
  CATCH_CHECK(verdict("9", "size") == "[stage] f: top level: must be at most 8; found 9");
  CATCH_CHECK(verdict(R"({"left": 1})", "item") == "[stage] f: /left: must be a boolean; found 1");
}

CATCH_TEST_CASE("long values are cut at whole characters", "[json_schema]") {
  std::string name(57, 'a');
  for (int i = 0; i < 10; ++i) name += "\xC3\xA9";
  const std::string message = verdict(("{\"name\": \"a\", \"kind\": \"" + name + "\"}").c_str());
  CATCH_CHECK_THAT(message, Catch::EndsWith(std::string(57, 'a') + "\xC3\xA9..."));
}

CATCH_TEST_CASE("the published layer schema takes both forms by itself", "[json_schema]") {
  const auto fits = [](const char* text) {
    try {
      validate_json(nlohmann::json::parse(text), kLayerConfigSchema, "", "f", "stage");
    } catch (const Error&) {
      return false;
    }
    return true;
  };
  CATCH_CHECK(fits(R"({"version": 1, "layers": [{"match": "*", "norm": 1}]})"));
  CATCH_CHECK(fits(R"([{"tensor_fqn": "a.weight", "zeros_per_block": 3}])"));
  CATCH_CHECK_FALSE(fits(R"([{"match": "*"}])"));
  CATCH_CHECK_FALSE(fits(R"({"layers": [{"match": "*"}]})"));
  CATCH_CHECK_FALSE(fits("7"));
}

}  // namespace
}  // namespace prune2to4
