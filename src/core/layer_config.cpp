// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/layer_config.h"

#include <re2/re2.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/json_document.h"
#include "core/json_schema.h"
#include "core/schemas.h"
#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;
using Shape = std::array<int64_t, 2>;

constexpr const char* kStage = "layers";
constexpr std::array<const char*, 5> kMaskKeys = {"sparsity_level", "sparse_block_shape", "zeros_per_block",
                                                  "norm", "ties"};

// Reads a document that fits the schema; checks what a schema cannot say.
class ConfigReader {
 public:
  ConfigReader(std::string file_name, Json defaults)
      : file_name_(std::move(file_name)), defaults_(std::move(defaults)) {}

  LayerRule rule(const Json& entry, const std::string& path) const {
    LayerRule rule;
    rule.json_path = path;
    rule.skip = entry.value("skip", false);
    read_pattern(entry, path, rule);
    if (rule.skip) {
      refuse_mask_keys(entry, path);
    } else {
      rule.mask = mask(entry, path);
    }
    return rule;
  }

  // The mask keys of `entry` over the defaults.
  MaskOptions mask(const Json& entry, const std::string& path) const {
    MaskOptions options;
    if (const auto key = find(entry, path, "sparsity_level"))
      options.sparsity_level = key.value->get<double>();
    if (const auto key = find(entry, path, "norm")) options.norm = key.value->get<int>();
    if (const auto key = find(entry, path, "ties")) {
      options.ties = *key.value == ties_name(Ties::kTorch) ? Ties::kTorch : Ties::kLowestIndex;
    }
    const auto shape = find(entry, path, "sparse_block_shape");
    if (shape) options.sparse_block_shape = shape.value->get<Shape>();
    const auto zeros = find(entry, path, "zeros_per_block");
    if (zeros) options.zeros_per_block = zeros.value->get<int64_t>();

    const auto [rows, cols] = options.sparse_block_shape;
    const std::string block = "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
    if (!zeros && options.sparse_block_shape != MaskOptions{}.sparse_block_shape) {
      fail(shape.path,
           "a block of " + block + " needs \"zeros_per_block\" too: 2 is assumed for [1, 4] only");
    }
    if (options.zeros_per_block > rows * cols) {
      fail(zeros.path, std::to_string(options.zeros_per_block) + " zeros are more than the " +
                           std::to_string(rows * cols) + " elements of a block of " + block);
    }
    return options;
  }

 private:
  struct Found {
    const Json* value = nullptr;
    std::string path;
    explicit operator bool() const { return value != nullptr; }
  };

  [[noreturn]] void fail(const std::string& path, const std::string& reason) const {
    throw Error(ExitStatus::kUsage, kStage, at_json_path(file_name_, path, reason));
  }

  Found find(const Json& entry, const std::string& path, const char* key) const {
    if (const auto own = entry.find(key); own != entry.end()) return {&*own, path + "/" + key};
    if (const auto shared = defaults_.find(key); shared != defaults_.end()) {
      return {&*shared, std::string("/defaults/") + key};
    }
    return {};
  }

  void read_pattern(const Json& entry, const std::string& path, LayerRule& rule) const {
    using Kind = LayerRule::Kind;
    constexpr std::array<std::pair<const char*, Kind>, 3> kKinds = {
        {{"tensor_fqn", Kind::kName}, {"match", Kind::kGlob}, {"regex", Kind::kRegex}}};
    for (const auto& [key, kind] : kKinds) {
      if (!entry.contains(key)) continue;
      rule.kind = kind;
      rule.pattern = entry.at(key).get<std::string>();
      const std::string key_path = path + "/" + key;
      if (rule.pattern.find('\0') != std::string::npos) fail(key_path, "holds a NUL character");
      if (kind == Kind::kRegex) check_regex(rule.pattern, key_path);
    }
  }

  void check_regex(const std::string& pattern, const std::string& path) const {
    const RE2 regex(pattern, RE2::Quiet);
    if (!regex.ok()) fail(path, "bad regular expression: " + regex.error());
  }

  void refuse_mask_keys(const Json& entry, const std::string& path) const {
    for (const char* key : kMaskKeys) {
      if (entry.contains(key)) {
        fail(path + "/" + key, "has no effect beside \"skip\": true; remove one of the two");
      }
    }
  }

  std::string file_name_;
  Json defaults_;
};

}  // namespace

const char* ties_name(Ties ties) { return ties == Ties::kTorch ? "torch" : "lowest_index"; }

LayerConfig default_layer_config() {
  LayerConfig config;
  config.default_selection = MaskOptions{};
  return config;
}

LayerConfig read_layer_config(const std::filesystem::path& path) {
  return parse_layer_config(read_text_file(path, kMaxJsonBytes), path.string());
}

LayerConfig parse_layer_config(std::string_view text, const std::string& file_name) {
  const Json document = parse_json(text, file_name, kStage);
  const bool plain = document.is_array();
  if (!plain && !document.is_object()) {
    throw Error(ExitStatus::kUsage, kStage,
                at_json_path(file_name, "", "must be an object {\"version\": 1, ...} or PyTorch's list"));
  }
  validate_json(document, kLayerConfigSchema, plain ? "plain_list" : "config", file_name, kStage);

  LayerConfig config;
  config.source = text;
  const ConfigReader reader(file_name, plain ? Json::object() : document.value("defaults", Json::object()));
  if (!plain && !document.contains("layers")) {
    config.default_selection = reader.mask(Json::object(), "");
    return config;
  }
  const Json& layers = plain ? document : document.at("layers");
  const std::string parent = plain ? "" : "/layers";
  for (size_t i = 0; i < layers.size(); ++i) {
    config.rules.push_back(reader.rule(layers[i], parent + "/" + std::to_string(i)));
  }
  return config;
}

}  // namespace prune2to4
