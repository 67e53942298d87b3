// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/settings.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json_document.h"
#include "core/json_schema.h"
#include "core/schemas.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

constexpr const char* kStage = "settings";

[[noreturn]] void fail(const std::string& file, const std::string& pointer, const std::string& reason) {
  throw Error(ExitStatus::kUsage, kStage, at_json_path(file, pointer, reason));
}

// Checks a document against the schema, and what a schema cannot say.
void check(const Json& document, const std::string& file) {
  validate_json(document, kSettingsSchema, "", file, kStage);
  const Json flat = document.flatten();
  for (const auto& [pointer, value] : flat.items()) {
    if (value.is_string() && value.get_ref<const std::string&>().find('\0') != std::string::npos) {
      fail(file, pointer, "holds a NUL character");
    }
  }
}

// As on a command line. dump() writes the shortest number that reads back exactly.
std::string option_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// The whole of `text` as a number; otherwise null.
Json number(const std::string& text) {
  const char* const end = text.data() + text.size();
  int64_t whole = 0;
  if (const auto read = std::from_chars(text.data(), end, whole); read.ec == std::errc() && read.ptr == end) {
    return whole;
  }
  double real = 0;
  const auto read = std::from_chars(text.data(), end, real);
  return read.ec == std::errc() && read.ptr == end && std::isfinite(real) ? Json(real) : Json();
}

// A value of the type that the schema wants; text that is none stays text, which the schema then refuses.
Json option_value(const std::string& text, const std::string& type) {
  if (type == "boolean" && (text == "true" || text == "false")) return text == "true";
  if (type == "integer" || type == "number") {
    if (Json value = number(text); !value.is_null()) return value;
  }
  return text;
}

void check_utf8(const std::string& text, const std::string& pointer) {
  try {
    static_cast<void>(Json(text).dump());
  } catch (const Json::type_error&) {
    fail(Settings::kFileName, pointer, "is not UTF-8, which JSON needs; rename the file");
  }
}

}  // namespace

Settings read_settings(const std::filesystem::path& path) {
  const std::string file = path.string();
  const Json document = parse_json(read_text_file(path, kMaxJsonBytes), file, kStage);
  check(document, file);
  Settings settings;
  settings.model = document.value("model", "");
  for (const auto& [command, options] : document.items()) {
    if (!options.is_object()) continue;
    Settings::Options& texts = settings.commands[command];
    for (const auto& [name, value] : options.items()) texts[name] = option_text(value);
  }
  return settings;
}

std::string settings_json(const Settings& settings) {
  const Json schema = Json::parse(kSettingsSchema);
  nlohmann::ordered_json document{{"version", 1}};
  check_utf8(settings.model, "/model");
  if (!settings.model.empty()) document["model"] = settings.model;
  for (const auto& [command, options] : settings.commands) {
    Json values = Json::object();
    for (const auto& [name, text] : options) {
      const std::string option = json_pointer_token(name);
      const std::string pointer = json_pointer_token(command);
      check_utf8(text, pointer + option);
      const Json::json_pointer type("/properties" + pointer + "/properties" + option + "/type");
      values[name] = option_value(text, schema.contains(type) ? schema.at(type).get<std::string>() : "");
    }
    document[command] = values;
  }
  check(Json::parse(document.dump()), Settings::kFileName);
  return document.dump(2) + "\n";
}

}  // namespace prune2to4
