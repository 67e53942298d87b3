// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/recipe.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/json_document.h"
#include "core/json_schema.h"
#include "core/recipe_fields.h"
#include "core/schemas.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kStage = "recipe";
constexpr const char* kAuto = "auto";

constexpr const auto& names_of(RateSchedule /*value*/) { return kRateSchedules; }
constexpr const auto& names_of(Precision /*value*/) { return kPrecisions; }
constexpr const auto& names_of(MaskPolicy /*value*/) { return kMaskPolicies; }
constexpr const auto& names_of(MaskScore /*value*/) { return kMaskScores; }

template <typename Value>
std::string name_of(Value value) {
  for (const auto& [name, candidate] : names_of(value)) {
    if (candidate == value) return name;
  }
  throw std::logic_error("a value without a name");
}

template <typename Value>
Value value_of(const std::string& name) {
  for (const auto& [candidate, value] : names_of(Value{})) {
    if (name == candidate) return value;
  }
  throw std::logic_error("the recipe schema allows \"" + name + "\"");
}

[[noreturn]] void fail(const std::string& file, const std::string& key, const std::string& reason) {
  throw Error(ExitStatus::kUsage, kStage, at_json_path(file, json_pointer_token(key), reason));
}

// Takes the fields that a document, which fits the schema, has.
class FieldReader {
 public:
  FieldReader(const Json& document, const std::string& file) : document_(document), file_(file) {}

  template <typename Value>
  void operator()(const char* key, Value& field) const {
    if (const auto found = document_.find(key); found != document_.end()) read(key, *found, field);
  }

 private:
  void read(const char* /*key*/, const Json& json, double& field) const { field = json.get<double>(); }
  void read(const char* /*key*/, const Json& json, int64_t& field) const { field = json.get<int64_t>(); }
  void read(const char* /*key*/, const Json& json, uint64_t& field) const { field = json.get<uint64_t>(); }
  void read(const char* key, const Json& json, std::optional<double>& field) const {
    if (json.is_number()) {
      field = json.get<double>();
    } else if (json == kAuto) {
      field.reset();
    } else {
      fail(file_, key, "must be a number or \"auto\"; found " + json.dump());
    }
  }
  template <typename Choice>
  void read(const char* key, const Json& json, std::optional<Choice>& field) const {
    field.reset();
    if (json != kAuto) read(key, json, field.emplace());
  }
  template <typename Choice>
  void read(const char* /*key*/, const Json& json, Choice& field) const {
    field = value_of<Choice>(json.get<std::string>());
  }

  const Json& document_;
  const std::string& file_;
};

// A whole number is written as one: 3, not 3.0.
OrderedJson json_of(double value) {
  constexpr double kLargestWhole = 1e15;
  if (std::fabs(value) < kLargestWhole && value == std::trunc(value)) return static_cast<int64_t>(value);
  return value;
}
OrderedJson json_of(int64_t value) { return value; }
OrderedJson json_of(uint64_t value) { return value; }
template <typename Choice>
OrderedJson json_of(Choice value) {
  return name_of(value);
}
template <typename Value>
OrderedJson json_of(const std::optional<Value>& value) {
  return value ? json_of(*value) : OrderedJson(kAuto);
}

OrderedJson fields_of(const Recipe& recipe) {
  OrderedJson fields = OrderedJson::object();
  visit_fields(recipe, [&fields](const char* key, const auto& field) { fields[key] = json_of(field); });
  return fields;
}

Recipe parse_recipe(std::string_view text, const std::string& file, const Recipe& base) {
  const Json document = parse_json(text, file, kStage);
  validate_json(document, kRecipeSchema, "", file, kStage);
  Recipe recipe = base;
  visit_fields(recipe, FieldReader(document, file));
  if (const auto fault = find_fault(recipe)) fail(file, fault->key, fault->reason);
  return recipe;
}

struct SizedRecipe {
  const char* name;
  const char* text;
  int64_t most_parameters;
};

}  // namespace

Recipe read_recipe(const std::filesystem::path& path, const Recipe& base) {
  return parse_recipe(read_text_file(path, kMaxJsonBytes), path.string(), base);
}

Recipe default_recipe(int64_t parameters, std::string& name) {
  constexpr int64_t kMillion = 1'000'000;
  for (const SizedRecipe& sized :
       {SizedRecipe{"tiny", kTinyRecipe, 5 * kMillion}, SizedRecipe{"small", kSmallRecipe, 60 * kMillion},
        SizedRecipe{"base", kBaseRecipe, 200 * kMillion},
        SizedRecipe{"large", kLargeRecipe, std::numeric_limits<int64_t>::max()}}) {
    if (parameters > sized.most_parameters) continue;
    name = sized.name;
    return parse_recipe(sized.text, "recipe_" + name + ".json", Recipe{});
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> recipe_values(const Recipe& recipe) {
  std::vector<std::pair<std::string, std::string>> values;
  const OrderedJson fields = fields_of(recipe);
  for (const auto& [key, value] : fields.items()) {
    values.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return values;
}

std::string recipe_json(const Recipe& recipe) {
  OrderedJson document{{"version", 1}};
  document.update(fields_of(recipe));
  return document.dump(2) + "\n";
}

std::string precision_name(Precision precision) { return name_of(precision); }

}  // namespace prune2to4
