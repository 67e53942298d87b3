// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "core/recipe_fields.h"
#include "prune2to4/error.h"
#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr double kMillion = 1e6;

struct Limits {
  const char* key;
  NumberRange range;
};

constexpr std::array<Limits, 15> kLimits{{{"epochs", {.least = 0, .most = kMillion, .above_least = true}},
                                          {"max_steps", {.least = 0, .whole = true}},
                                          {"batch_size", {.least = 1, .most = kMillion, .whole = true}},
                                          {"accumulate", {.least = 1, .most = kMillion, .whole = true}},
                                          {"learning_rate", {.least = 0, .above_least = true}},
                                          {"warmup", {.least = 0, .most = 1}},
                                          {"weight_decay", {.least = 0}},
                                          {"clip_norm", {.least = 0}},
                                          {"dropout", {.least = 0, .most = 1, .below_most = true}},
                                          {"distill_weight", {.least = 0, .most = 1}},
                                          {"temperature", {.least = 0, .above_least = true}},
                                          {"hidden_weight", {.least = 0}},
                                          {"ema", {.least = 0, .most = 1, .below_most = true}},
                                          {"mask_end", {.least = 0, .most = 1, .above_least = true}},
                                          {"mask_interval", {.least = 1, .whole = true}}}};

std::string wanted(const NumberRange& range) {
  const std::string low = (range.above_least ? "above " : "at least ") + format_number(range.least, 15);
  if (range.most == kNoLimit) return low;
  return low + " and " + (range.below_most ? "below " : "at most ") + format_number(range.most, 15);
}

class FaultFinder {
 public:
  std::optional<RecipeFault> fault;

  void operator()(std::string_view key, double value) { check(key, value); }
  void operator()(std::string_view key, int64_t value) { check(key, static_cast<double>(value)); }
  void operator()(std::string_view key, const std::optional<double>& value) {
    if (value) check(key, *value);
  }
  // JSON has signed 64 bits.
  void operator()(std::string_view key, uint64_t value) {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (value > kMost) {
      note(key, "must be at most " + std::to_string(kMost) + "; found " + std::to_string(value));
    }
  }
  template <typename Choice>
  void operator()(std::string_view /*key*/, const Choice& /*value*/) {}

 private:
  void note(std::string_view key, const std::string& reason) {
    if (!fault) fault = RecipeFault{std::string(key), reason};
  }

  void check(std::string_view key, double value) {
    for (const Limits& limits : kLimits) {
      if (limits.key != key || limits.range.allows(value)) continue;
      note(key, "must be " + wanted(limits.range) + "; found " + format_number(value, 15));
    }
  }
};

}  // namespace

NumberRange recipe_range(std::string_view key) {
  const auto limits =
      std::find_if(kLimits.begin(), kLimits.end(), [key](const Limits& each) { return each.key == key; });
  return limits->range;
}

std::optional<RecipeFault> find_fault(const Recipe& recipe) {
  FaultFinder finder;
  visit_fields(recipe, finder);
  return finder.fault;
}

void check_recipe(const Recipe& recipe) {
  if (const auto fault = find_fault(recipe)) {
    throw Error(ExitStatus::kUsage, "recipe", fault->key + ": " + fault->reason);
  }
}

}  // namespace prune2to4
