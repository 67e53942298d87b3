// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cmath>
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
  double least;
  double most = kNoLimit;
  bool above_least = false;  // `least` itself is refused
  bool below_most = false;
};

constexpr std::array<Limits, 15> kLimits{{{"epochs", 0, kMillion, true},
                                          {"max_steps", 0},
                                          {"batch_size", 1, kMillion},
                                          {"accumulate", 1, kMillion},
                                          {"learning_rate", 0, kNoLimit, true},
                                          {"warmup", 0, 1},
                                          {"weight_decay", 0},
                                          {"clip_norm", 0},
                                          {"dropout", 0, 1, false, true},
                                          {"distill_weight", 0, 1},
                                          {"temperature", 0, kNoLimit, true},
                                          {"hidden_weight", 0},
                                          {"ema", 0, 1, false, true},
                                          {"mask_end", 0, 1, true},
                                          {"mask_interval", 1}}};

std::string wanted(const Limits& limits) {
  const std::string low = (limits.above_least ? "above " : "at least ") + format_number(limits.least, 15);
  if (limits.most == kNoLimit) return low;
  return low + " and " + (limits.below_most ? "below " : "at most ") + format_number(limits.most, 15);
}

bool allows(const Limits& limits, double value) {
  const bool low = limits.above_least ? value > limits.least : value >= limits.least;
  const bool high = limits.below_most ? value < limits.most : value <= limits.most;
  return std::isfinite(value) && low && high;
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
      if (limits.key != key || allows(limits, value)) continue;
      note(key, "must be " + wanted(limits) + "; found " + format_number(value, 15));
    }
  }
};

}  // namespace

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
