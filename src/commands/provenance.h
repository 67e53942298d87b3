// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "prune2to4/archive.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/report.h"

namespace prune2to4 {

// Records under extra/ of an archive, by name without that folder.
using ExtraRecords = std::map<std::string, std::string>;

// How a sparse model was made: tool and LibTorch version, SHA-256 of the dense model, layer config, layers.
inline constexpr const char* kProvenanceRecord = "prune2to4.json";
std::string provenance_json(const Report& report, const LayerConfig& config);

// What the archive's author put beside the model; it goes with the sparse model.
ExtraRecords extra_records(const Archive& archive);

// Non-empty records whose writer computed no CRC.
int64_t unverified_records(const Archive& archive);

}  // namespace prune2to4
