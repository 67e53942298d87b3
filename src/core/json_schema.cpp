// SPDX-License-Identifier: Apache-2.0
#include "core/json_schema.h"

// GCC 12 misreads std::string::replace (GCC bug 105651) and, with sanitizers on, std::regex (GCC bug 105562)
// where valijson uses them.
#pragma GCC diagnostic ignored "-Wrestrict"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <algorithm>
#include <array>
#include <utility>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#include <vector>

#include "core/json_document.h"
#include "core/nearest_names.h"
#include "core/printable.h"
#include "prune2to4/error.h"
#include "prune2to4/layer_config.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;
using Tokens = std::vector<std::string>;  // of a JSON pointer, not escaped

// What valijson complains of. Among complaints of one depth the first kind is told: it is the likeliest cause
// of the others.
enum class Kind { kUnknownKey, kType, kChoice, kBound, kItems, kLength, kOneKey, kMissingKey, kOther, kEcho };

constexpr std::array<std::pair<std::string_view, Kind>, 11> kKinds = {{
    {"Object contains a property", Kind::kUnknownKey},
    {"Value type not permitted", Kind::kType},
    {"Failed to match", Kind::kChoice},
    {"Expected number", Kind::kBound},
    {"Array should contain", Kind::kItems},
    {"String should be no", Kind::kLength},
    {"Failed to validate against any child schemas", Kind::kOneKey},
    {"Failed to validate against exactly one", Kind::kOneKey},
    {"Missing required property", Kind::kMissingKey},
    {"Failed to validate", Kind::kEcho},  // repeats what is wrong further down
    {"", Kind::kOther},
}};

struct Violation {
  Kind kind = Kind::kEcho;
  std::vector<std::string> context;  // {"<root>", "[layers]", "[0]"}
  std::string description;           // valijson's

  size_t depth() const { return context.size() + (kind == Kind::kUnknownKey ? 1 : 0); }
};

std::string shown(const Json& value) {
  constexpr size_t kLongest = 60;
  std::string text = value.is_object() ? "an object" : value.is_array() ? "an array" : value.dump();
  if (text.size() <= kLongest) return text;
  size_t cut = kLongest;
  while ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;  // whole UTF-8 characters
  return text.substr(0, cut) + "...";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ", ";
    text += word;
  }
  return text;
}

std::string with_article(const std::string& type) {
  const bool vowel = std::string_view("aeio").find(type[0]) != std::string_view::npos;
  return std::string(vowel ? "an " : "a ").append(type);
}

// The part of the schema that speaks of the value at `tokens`; an empty object where it says nothing.
Json schema_at(const Json& root, const Tokens& tokens) {
  const auto resolved = [&root](Json node) {
    while (node.contains("$ref"))
      node = root.at(Json::json_pointer(node["$ref"].get<std::string>().substr(1)));
    return node;
  };
  Json node = resolved(root);
  for (const std::string& token : tokens) {
    const auto properties = node.find("properties");
    if (properties != node.end() && properties->contains(token)) {
      node = resolved((*properties)[token]);
    } else if (node.contains("items")) {
      node = resolved(node["items"]);
    } else {
      return Json::object();
    }
  }
  return node;
}

// The last word in single quotes of one of valijson's descriptions.
std::string quoted_word(const std::string& description) {
  const size_t start =
      description.find(": '") != description.npos ? description.find(": '") + 3 : description.find('\'') + 1;
  return description.substr(start, description.rfind('\'') - start);
}

std::string unknown_key_reason(const std::string& key, const Json& schema) {
  std::vector<std::string> known;
  std::vector<std::string> quoted_known;
  const Json properties = schema.value("properties", Json::object());
  for (const auto& property : properties.items()) {
    known.push_back(property.key());
    quoted_known.push_back(in_quotes(property.key()));
  }
  std::string reason = "unknown key";
  const std::vector<std::string> nearest = nearest_names(key, known, 1);
  if (!nearest.empty() && edit_distance(key, nearest[0]) <= std::max<size_t>(2, nearest[0].size() / 3)) {
    reason += "; did you mean " + in_quotes(nearest[0]) + "?";
  }
  return reason + (known.empty() ? "" : " (known here: " + joined(quoted_known) + ")");
}

// For a "oneOf" whose branches each require one key.
std::string one_key_reason(const Json& schema, const Json& value) {
  std::vector<std::string> wanted;
  std::vector<std::string> present;
  for (const Json& branch : schema.value("oneOf", Json::array())) {
    for (const Json& key : branch.value("required", Json::array())) {
      wanted.push_back(key.dump());
      if (value.contains(key.get<std::string>())) present.push_back(key.dump());
    }
  }
  return "needs exactly one of the keys " + joined(wanted) + "; it has " +
         (present.empty() ? "none" : joined(present));
}

std::string enum_reason(const Json& schema, const Json& value) {
  std::vector<std::string> allowed;
  for (const Json& choice : schema.value("enum", Json::array({schema.value("const", Json())}))) {
    allowed.push_back(choice.dump());
  }
  return std::string("must be ") + (allowed.size() > 1 ? "one of " : "") + joined(allowed) + "; found " +
         shown(value);
}

// "must have 2 items", for the bounds that the keys `least` and `most` of the schema set.
std::string size_reason(const Json& schema, const char* least, const char* most, const std::string& things,
                        size_t found) {
  const int64_t low = schema.value(least, int64_t{0});
  const int64_t high = schema.value(most, int64_t{-1});
  if (found == 0 && low == 1) return "must not be empty";
  std::string bound;
  if (low == high) {
    bound = "exactly " + std::to_string(low);
  } else if (static_cast<int64_t>(found) < low) {
    bound = "at least " + std::to_string(low);
  } else {
    bound = "at most " + std::to_string(high);
  }
  return "must have " + bound + " " + things + "; found " + std::to_string(found);
}

std::string bound_reason(const Json& schema, const Json& value) {
  const bool below = schema.contains("minimum") && value < schema["minimum"];
  return std::string("must be at ") + (below ? "least " : "most ") +
         shown(schema.value(below ? "minimum" : "maximum", Json())) + "; found " + shown(value);
}

std::string type_reason(const Json& schema, const Json& value) {
  const Json type = schema.value("type", Json(""));
  std::string wanted;
  for (const Json& name : type.is_array() ? type : Json::array({type})) {
    wanted += (wanted.empty() ? "" : " or ") + with_article(name.get<std::string>());
  }
  const std::string found = (value.is_string() ? "the string " : "") + shown(value);
  return "must be " + wanted + "; found " + found;
}

// valijson's description in other words, from the schema and the value.
std::string reason_of(const Violation& violation, const Json& schema, const Json& value) {
  switch (violation.kind) {
    case Kind::kUnknownKey:
      return unknown_key_reason(quoted_word(violation.description), schema);
    case Kind::kType:
      return type_reason(schema, value);
    case Kind::kChoice:
      return enum_reason(schema, value);
    case Kind::kBound:
      return bound_reason(schema, value);
    case Kind::kItems:
      return size_reason(schema, "minItems", "maxItems", "items", value.size());
    case Kind::kLength:
      return size_reason(schema, "minLength", "maxLength", "characters",
                         value.get_ref<const std::string&>().size());
    case Kind::kOneKey:
      return one_key_reason(schema, value);
    case Kind::kMissingKey:
      return "the key " + in_quotes(quoted_word(violation.description)) + " is missing";
    case Kind::kOther:
    case Kind::kEcho:
      break;
  }
  return violation.description;
}

Violation classified(const valijson::ValidationResults::Error& error) {
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(), [&error](const auto& entry) {
    return error.description.starts_with(entry.first);
  });
  return {kind->second, error.context, error.description};
}

// The deepest violation, of these the likeliest cause, of these the first.
Violation most_telling(const valijson::ValidationResults& results) {
  Violation told;
  for (const auto& error : results) {
    Violation violation = classified(error);
    const bool deeper = violation.depth() > told.depth();
    if (deeper || (violation.depth() == told.depth() && violation.kind < told.kind))
      told = std::move(violation);
  }
  return told;
}

Tokens tokens_of(const std::vector<std::string>& context) {
  Tokens tokens;
  for (size_t i = 1; i < context.size(); ++i) tokens.push_back(context[i].substr(1, context[i].size() - 2));
  return tokens;
}

std::string pointer_to(const Tokens& tokens) {
  std::string pointer;
  for (const std::string& token : tokens) pointer += json_pointer_token(token);
  return pointer;
}

}  // namespace

void validate_json(const nlohmann::json& document, std::string_view schema, const std::string& definition,
                   const std::string& file_name, const std::string& stage) {
  Json root = Json::parse(schema);
  if (!definition.empty()) {
    root = Json{{"definitions", root.at("definitions")}, {"$ref", "#/definitions/" + definition}};
  }
  valijson::Schema parsed;
  valijson::adapters::NlohmannJsonAdapter root_adapter(root);
  valijson::SchemaParser(valijson::SchemaParser::kDraft7).populateSchema(root_adapter, parsed);

  valijson::ValidationResults results;
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  const valijson::adapters::NlohmannJsonAdapter document_adapter(document);
  if (validator.validate(parsed, document_adapter, &results)) return;

  const Violation told = most_telling(results);
  Tokens tokens = tokens_of(told.context);
  const Json& value = document.at(Json::json_pointer(pointer_to(tokens)));
  const std::string reason = reason_of(told, schema_at(root, tokens), value);
  if (told.kind == Kind::kUnknownKey) tokens.push_back(quoted_word(told.description));
  throw Error(ExitStatus::kUsage, stage, at_json_path(file_name, pointer_to(tokens), reason));
}

}  // namespace prune2to4
