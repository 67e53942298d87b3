// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/mask.h"

namespace prune2to4 {

// One entry of the layer config: which weights it speaks of, and what it says.
struct LayerRule {
  enum class Kind { kName, kGlob, kRegex };
  Kind kind = Kind::kName;
  std::string pattern;  // fully qualified weight name; glob (`*` spans dots); RE2 regex, whole name
  bool skip = false;
  MaskOptions mask;       // defaults already merged in
  std::string json_path;  // "/layers/3"
};

// The layer config, checked. Format (configs/layer_config.schema.json is the contract):
//   {"version": 1, "defaults": {<mask keys>}, "layers": [{"tensor_fqn" | "match" | "regex": "...",
//    <mask keys>, "skip": true}, ...]}
// or PyTorch's plain list [{"tensor_fqn": "..."}, ...]. Mask keys are those of WeightNormSparsifier
// (sparsity_level, sparse_block_shape, zeros_per_block, norm) and "ties". Later entries win.
// Without "layers", and without a config, every Linear whose name contains "layer" is selected.
struct LayerConfig {
  std::vector<LayerRule> rules;
  std::optional<MaskOptions> default_selection;  // set: no explicit rules
  std::string source;                            // the file's text as read; empty for the default
};

LayerConfig default_layer_config();

// Throws Error(kUsage) with the JSON path (or line and column) and the reason; kFileSystem when unreadable.
LayerConfig read_layer_config(const std::filesystem::path& path);
LayerConfig parse_layer_config(std::string_view text, const std::string& file_name);

// What the config says about one linear layer's weight.
struct LayerChoice {
  std::string name;
  bool selected = false;
  MaskOptions mask;
  std::string
      rule;  // "default: name contains \"layer\"", "/layers/3 match \"bert.*\"", "/layers/4 skip", "no rule"
  std::string obstacle = {};  // why it was taken off the choice: it cannot be packed; empty: it was not
};

// One choice per name, in order. `other_parameters` are names that exist but are not weights of a linear.
// Throws Error(kUsage) when a rule matches nothing, listing the nearest names, or when it names a parameter
// that is not the weight of a linear layer.
std::vector<LayerChoice> choose_layers(const LayerConfig& config,
                                       const std::vector<std::string>& linear_weights,
                                       const std::vector<std::string>& other_parameters);

// As the layer config spells it: "lowest_index", "torch".
const char* ties_name(Ties ties);

// The `count` names nearest to `name` by edit distance, nearest first.
std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& names,
                                       size_t count = 3);

}  // namespace prune2to4
