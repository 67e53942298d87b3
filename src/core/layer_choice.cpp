// SPDX-License-Identifier: Apache-2.0
#include <fnmatch.h>
#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "core/printable.h"
#include "prune2to4/error.h"
#include "prune2to4/layer_config.h"

namespace prune2to4 {
namespace {

using Names = std::vector<std::string>;

class Matcher {
 public:
  Matcher(LayerRule::Kind kind, const std::string& pattern) : kind_(kind), pattern_(pattern) {
    if (kind == LayerRule::Kind::kRegex) regex_ = std::make_unique<RE2>(pattern, RE2::Quiet);
  }

  bool operator()(const std::string& name) const {
    switch (kind_) {
      case LayerRule::Kind::kGlob:
        return fnmatch(pattern_.c_str(), name.c_str(), 0) == 0;
      case LayerRule::Kind::kRegex:
        return RE2::FullMatch(name, *regex_);
      case LayerRule::Kind::kName:
        break;
    }
    return pattern_ == name;
  }

 private:
  LayerRule::Kind kind_;
  std::string pattern_;
  std::unique_ptr<RE2> regex_;
};

const char* key_of(LayerRule::Kind kind) {
  switch (kind) {
    case LayerRule::Kind::kGlob:
      return "match";
    case LayerRule::Kind::kRegex:
      return "regex";
    case LayerRule::Kind::kName:
      break;
  }
  return "tensor_fqn";
}

std::string described(const LayerRule& rule) {
  return rule.json_path +
         (rule.skip ? " skip" : std::string(" ") + key_of(rule.kind) + " " + in_quotes(rule.pattern));
}

// The weight that the rule would match if its pattern went on with ".weight".
const std::string* matched_as_module(const LayerRule& rule, const Names& linear_weights) {
  const bool regex = rule.kind == LayerRule::Kind::kRegex;
  const Matcher matches(rule.kind, regex ? "(?:" + rule.pattern + ")\\.weight" : rule.pattern + ".weight");
  const auto found = std::find_if(linear_weights.begin(), linear_weights.end(), std::cref(matches));
  return found == linear_weights.end() ? nullptr : &*found;
}

std::string unmatched_reason(const LayerRule& rule, const Matcher& matches, const Names& linear_weights,
                             const Names& other_parameters) {
  const auto other = std::find_if(other_parameters.begin(), other_parameters.end(), std::cref(matches));
  if (other != other_parameters.end()) {
    return (rule.kind == LayerRule::Kind::kName ? "it"
                                                : "what it matches, such as " + in_quotes(*other) + ",") +
           " is not the weight of a linear layer; only those can be pruned or skipped";
  }
  if (linear_weights.empty()) return "the model has no linear layer";
  if (const std::string* weight = matched_as_module(rule, linear_weights)) {
    return "it matches a module, not its weight; did you mean " + in_quotes(*weight) + "?";
  }
  std::string reason = "no linear layer's weight has such a name; nearest:";
  for (const std::string& name : nearest_names(rule.pattern, linear_weights)) reason += " " + in_quotes(name);
  return reason;
}

}  // namespace

std::vector<LayerChoice> choose_layers(const LayerConfig& config,
                                       const std::vector<std::string>& linear_weights,
                                       const std::vector<std::string>& other_parameters) {
  std::vector<LayerChoice> choices;
  for (const std::string& name : linear_weights) {
    LayerChoice& choice = choices.emplace_back();
    choice.name = name;
    choice.rule = "no rule";
    if (config.default_selection && name.find("layer") != std::string::npos) {
      choice.selected = true;
      choice.mask = *config.default_selection;
      choice.rule = "default: name contains \"layer\"";
    }
  }
  for (const LayerRule& rule : config.rules) {
    const Matcher matches(rule.kind, rule.pattern);
    bool matched = false;
    for (LayerChoice& choice : choices) {
      if (!matches(choice.name)) continue;
      matched = true;
      choice.selected = !rule.skip;
      choice.mask = rule.mask;
      choice.rule = described(rule);
    }
    if (!matched) {
      throw Error(ExitStatus::kUsage, "layers",
                  rule.json_path + "/" + key_of(rule.kind) + ": " + in_quotes(rule.pattern) + ": " +
                      unmatched_reason(rule, matches, linear_weights, other_parameters));
    }
  }
  return choices;
}

}  // namespace prune2to4
