// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/settings.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/schemas.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

Settings read(const std::string& text) {
  const TemporaryFolder folder;
  write_text_file(folder / Settings::kFileName, text);
  return read_settings(folder / Settings::kFileName);
}

// The message without the folder.
std::string refusal(const std::string& text) {
  try {
    read(text);
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    const std::string message = error.what();
    const size_t name = message.find(Settings::kFileName);
    return name == std::string::npos ? message : "[settings] " + message.substr(name);
  }
  return "accepted";
}

std::string with_eval(const std::string& options) { return R"({"version": 1, "eval": {)" + options + "}}"; }

const Settings::Options kEveryOption = {{"data", "dev set.safetensors"},
                                        {"device", "cuda:1"},
                                        {"dtype", "bf16"},
                                        {"batch-size", "8"},
                                        {"batch-tokens", "4096"},
                                        {"threads", "2"},
                                        {"padding", "keep"},
                                        {"engine", "interpreter"},
                                        {"limit", "9223372036854775807"},
                                        {"n-best-size", "20"},
                                        {"max-answer-length", "30"},
                                        {"null-threshold", "-0.1"},
                                        {"min-f1", "70"},
                                        {"min-em", "66.6"},
                                        {"max-f1-drop", "1e-07"},
                                        {"baseline", "base.json"},
                                        {"compare", "other.pt"},
                                        {"predictions", "\"p\".json"},
                                        {"nbest", "n.json"},
                                        {"export-json", "e.json"},
                                        {"format", "md"},
                                        {"trust-model", "false"},
                                        {"quiet", "true"},
                                        {"verbose", "false"}};

CATCH_TEST_CASE("settings become text as typed on a command line") {
  const Settings settings = read(R"({
    "$schema": "settings.schema.json",
    "version": 1,
    "model": "bert.2to4.pt",
    "eval": {"data": "dev set.safetensors", "device": "cuda:1", "dtype": "bf16", "batch-size": 8,
             "batch-tokens": 4096, "threads": 2, "padding": "keep", "engine": "interpreter", "limit": 9223372036854775807,
             "n-best-size": 20, "max-answer-length": 30, "null-threshold": -0.1, "min-f1": 70, "min-em": 66.6, "max-f1-drop": 1e-7,
             "baseline": "base.json", "compare": "other.pt", "predictions": "\"p\".json",
             "nbest": "n.json", "export-json": "e.json", "format": "md", "trust-model": false,
             "quiet": true, "verbose": false}})");
  CATCH_CHECK(settings.model == "bert.2to4.pt");
  CATCH_CHECK(settings.commands.size() == 1);
  CATCH_CHECK(settings.commands.at("eval") == kEveryOption);
}

CATCH_TEST_CASE("the schema has no option beyond those read here") {
  const auto schema = nlohmann::json::parse(kSettingsSchema);
  const auto& options = schema.at("/properties/eval/properties"_json_pointer);
  CATCH_CHECK(options.size() == kEveryOption.size());
  for (const auto& [name, value] : options.items()) CATCH_CHECK(kEveryOption.contains(name));
}

CATCH_TEST_CASE("a version alone is enough") {
  const Settings settings = read("\xEF\xBB\xBF{\"version\": 1}");
  CATCH_CHECK(settings.model.empty());
  CATCH_CHECK(settings.commands.empty());
  CATCH_CHECK(read(with_eval("")).commands.at("eval").empty());
}

CATCH_TEST_CASE("numbers read back exactly") {
  for (const char* text : {"0.1", "33.333333333333336", "100", "1e-300", "5e-324", "0"}) {
    const Settings settings = read(with_eval(std::string(R"("min-f1": )") + text));
    const std::string& read_back = settings.commands.at("eval").at("min-f1");
    CATCH_CHECK(std::strtod(read_back.c_str(), nullptr) == std::strtod(text, nullptr));
  }
}

CATCH_TEST_CASE("written settings have numbers and booleans as such and read back the same") {
  Settings settings{"m\xC3\xBC.pt", {{"eval", kEveryOption}}};
  const std::string text = settings_json(settings);
  CATCH_CHECK_THAT(text, StartsWith("{\n  \"version\": 1,\n  \"model\": \"m\xC3\xBC.pt\",\n  \"eval\": {\n"));
  CATCH_CHECK_THAT(text, Contains("\"min-f1\": 70,") && Contains("\"null-threshold\": -0.1,") &&
                             Contains("\"quiet\": true,") && Contains("\"device\": \"cuda:1\","));
  const Settings back = read(text);
  CATCH_CHECK(back.model == settings.model);
  CATCH_CHECK(back.commands == settings.commands);
  CATCH_CHECK(settings_json(back) == text);
}

CATCH_TEST_CASE("settings without a model are written without one") {
  CATCH_CHECK(settings_json(Settings{}) == "{\n  \"version\": 1\n}\n");
  const Settings odd{"", {{"eval", {{"min-f1", ".5"}, {"data", "70"}}}}};
  const Settings back = read(settings_json(odd));
  CATCH_CHECK(back.commands.at("eval") == Settings::Options{{"min-f1", "0.5"}, {"data", "70"}});
}

std::string refusal_to_write(const Settings& settings) {
  try {
    settings_json(settings);
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
  return "written";
}

CATCH_TEST_CASE("what could not be read back is not written") {
  const auto refused = [](const std::string& option, const std::string& value) {
    return refusal_to_write({"m.pt", {{"eval", {{option, value}}}}});
  };
  const std::string start = "[settings] prune2to4.json: /eval/";
  CATCH_CHECK(refused("min-f1", "high") == start + "min-f1: must be a number; found the string \"high\"");
  CATCH_CHECK_THAT(refused("min-f1", "inf"), StartsWith(start + "min-f1: must be a number"));
  CATCH_CHECK_THAT(refused("limit", "1.5"), StartsWith(start + "limit: must be an integer; found 1.5"));
  CATCH_CHECK_THAT(refused("limit", "10 "), StartsWith(start + "limit: must be an integer"));
  CATCH_CHECK_THAT(refused("quiet", "yes"), StartsWith(start + "quiet: must be a boolean"));
  CATCH_CHECK_THAT(refused("batch_size", "1"),
                   StartsWith(start + "batch_size: unknown key; did you mean \"batch-size\"?"));
  CATCH_CHECK_THAT(refused("data", "\xff"), StartsWith(start + "data: is not UTF-8"));
  CATCH_CHECK_THAT(refusal_to_write({"\xff", {}}),
                   StartsWith("[settings] prune2to4.json: /model: is not UTF-8"));
  CATCH_CHECK_THAT(refusal_to_write({"", {{"inspect", {}}}}), Contains(": /inspect: unknown key"));
}

struct Malformed {
  const char* text;
  const char* message;  // a part of it
};

CATCH_TEST_CASE("wrong settings files are refused with the place and the reason") {
  const std::vector<Malformed> cases = {
      {"", ":1:1: syntax error"},
      {"{\"version\": 1,\n}", ":2:1: syntax error"},
      {"7", ": top level: must be an object; found 7"},
      {"[]", ": top level: must be an object; found an array"},
      {"{}", ": top level: the key \"version\" is missing"},
      {R"({"version": 2})", ": /version: must be 1; found 2"},
      {R"({"version": "1"})", ": /version: must be 1; found \"1\""},
      {R"({"version": 1, "version": 1})", ": /version: the key appears twice"},
      {R"({"version": 1, "modle": "m.pt"})", ": /modle: unknown key; did you mean \"model\"?"},
      {R"({"version": 1, "evaluate": {}})", ": /evaluate: unknown key (known here:"},
      {R"({"version": 1, "model": ""})", ": /model: must not be empty"},
      {R"({"version": 1, "model": null})", ": /model: must be a string; found null"},
      {R"({"version": 1, "model": ["m.pt"]})", ": /model: must be a string; found an array"},
      {R"({"version": 1, "model": "a\u0000b"})", ": /model: holds a NUL character"},
      {R"({"version": 1, "eval": []})", ": /eval: must be an object; found an array"},
      {R"({"version": 1, "eval": {"a/\u001b[2J": 1}})", ": /eval/a~1?[2J: unknown key"},
  };
  for (const auto& [text, message] : cases) {
    CATCH_CAPTURE(text);
    CATCH_CHECK_THAT(refusal(text), StartsWith("[settings] prune2to4.json:") && Contains(message));
  }
}

CATCH_TEST_CASE("wrong options are refused with the place and the reason") {
  const std::vector<Malformed> cases = {
      {R"("batch_size": 8)", "/batch_size: unknown key; did you mean \"batch-size\"?"},
      {R"("min_f1": 8)", "/min_f1: unknown key; did you mean \"min-f1\"?"},
      {R"("--data": "d")", "/--data: unknown key; did you mean \"data\"?"},
      {R"("model": "m.pt")", "/model: unknown key"},
      {R"("data": "a", "data": "b")", "/data: the key appears twice"},
      {R"("data": "")", "/data: must not be empty"},
      {R"("data": "a\u0000b")", "/data: holds a NUL character"},
      {R"("device": 0)", "/device: must be a string; found 0"},
      {R"("batch-size": 0)", "/batch-size: must be at least 1; found 0"},
      {R"("batch-size": "8")", "/batch-size: must be an integer; found the string \"8\""},
      {R"("batch-tokens": 0)", "/batch-tokens: must be at least 1; found 0"},
      {R"("threads": 1.5)", "/threads: must be an integer; found 1.5"},
      {R"("limit": 0)", "/limit: must be at least 1; found 0"},
      {R"("limit": 9223372036854775808)", "/limit: the integer 9223372036854775808 is too large"},
      {R"("n-best-size": 1001)", "/n-best-size: must be at most 1000; found 1001"},
      {R"("max-answer-length": 10001)", "/max-answer-length: must be at most 10000; found 10001"},
      {R"("null-threshold": "0")", "/null-threshold: must be a number; found the string \"0\""},
      {R"("null-threshold": 1e999)", "/null-threshold: the number is too large"},
      {R"("null-threshold": NaN)", ": syntax error"},
      {R"("min-f1": 100.5)", "/min-f1: must be at most 100; found 100.5"},
      {R"("min-em": -0.5)", "/min-em: must be at least 0; found -0.5"},
      {R"("max-f1-drop": true)", "/max-f1-drop: must be a number; found true"},
      {R"("baseline": null)", "/baseline: must be a string; found null"},
      {R"("format": "markdown")",
       "/format: must be one of \"text\", \"md\", \"csv\", \"json\"; found \"markdown\""},
      {R"("trust-model": 1)", "/trust-model: must be a boolean; found 1"},
      {R"("quiet": "true")", "/quiet: must be a boolean; found the string \"true\""},
  };
  for (const auto& [options, message] : cases) {
    CATCH_CAPTURE(options);
    CATCH_CHECK_THAT(refusal(with_eval(options)),
                     StartsWith("[settings] prune2to4.json:") && Contains(message));
  }
}

CATCH_TEST_CASE("settings that cannot be read are an error of the file system") {
  try {
    read_settings("no/such/prune2to4.json");
    CATCH_FAIL("read");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
  }
}

}  // namespace
}  // namespace prune2to4
