// SPDX-License-Identifier: Apache-2.0
#include "commands/provenance.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

namespace prune2to4 {
namespace {

constexpr std::string_view kExtraFolder = "extra/";

}  // namespace

std::string provenance_json(const Report& report, const LayerConfig& config) {
  auto layers = nlohmann::ordered_json::array();
  for (const LayerReport& layer : report.layers) {
    if (layer.outcome == LayerReport::Outcome::kDense) continue;
    layers.push_back({{"name", layer.name},
                      {"shape", {layer.rows, layer.cols}},
                      {"packed", layer.outcome == LayerReport::Outcome::kPacked},
                      {"sparsity_level", layer.mask->sparsity_level},
                      {"sparse_block_shape", layer.mask->sparse_block_shape},
                      {"zeros_per_block", layer.mask->zeros_per_block},
                      {"norm", layer.mask->norm},
                      {"ties", ties_name(layer.mask->ties)},
                      {"zeros", layer.zeros}});
  }
  nlohmann::ordered_json json{{"version", 1},
                              {"prune2to4", PRUNE2TO4_VERSION},
                              {"torch", PRUNE2TO4_TORCH_VERSION},
                              {"made", report.started},
                              {"source", {{"name", report.input.name}, {"sha256", report.input.sha256}}},
                              {"layer_config", nullptr},
                              {"layers", std::move(layers)}};
  if (!config.source.empty()) json["layer_config"] = nlohmann::ordered_json::parse(config.source);
  return json.dump(1) + "\n";
}

ExtraRecords extra_records(const Archive& archive) {
  ExtraRecords records;
  for (const ArchiveEntry& entry : archive.entries()) {
    if (entry.name.starts_with(kExtraFolder)) {
      records.emplace(entry.name.substr(kExtraFolder.size()), archive.text(entry));
    }
  }
  return records;
}

int64_t unverified_records(const Archive& archive) {
  return std::count_if(archive.entries().begin(), archive.entries().end(),
                       [](const ArchiveEntry& entry) { return !entry.crc_known; });
}

}  // namespace prune2to4
