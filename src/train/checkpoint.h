// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/module_parameters.h"

namespace prune2to4 {

// What a checkpoint holds: a safetensors file of host tensors, and texts in its metadata. Under "sha256"
// stands the hash of all other texts and of all tensors with their names, so that a damaged file is told from
// a whole one.
struct Checkpoint {
  std::vector<NamedTensor> tensors;
  std::map<std::string, std::string> texts;

  const at::Tensor* find(const std::string& name) const;
};

// The one before it stays beside it as FILE.previous. Throws Error(kFileSystem); then both are as they were.
void write_checkpoint(const std::filesystem::path& file, const Checkpoint& checkpoint);

// The newer of the two that is whole; none when neither is there. A damaged one is warned of. Throws
// Error(kData) when all that is there is damaged.
std::optional<Checkpoint> read_checkpoint(const std::filesystem::path& file);

}  // namespace prune2to4
