// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/safetensors.h"

namespace prune2to4 {

inline constexpr size_t kLengthBytes = 8;  // the u64 before the header
inline constexpr size_t kMaxHeaderBytes = 100'000'000;
inline constexpr const char* kMetadataKey = "__metadata__";

struct SafetensorsDtype {
  const char* name;
  uint32_t bits;  // of one element
};

// Elements of one array in the reference's order of alignment (its writer puts the last of them first);
// nullptr: unknown.
const SafetensorsDtype* find_dtype(std::string_view name);

// Bytes of a tensor; nothing when they are more than 64 bits can count or no whole number.
std::optional<uint64_t> tensor_bytes(const SafetensorsDtype& dtype, std::span<const uint64_t> shape);

std::string shape_text(std::span<const uint64_t> shape);  // "[2, 3]"

struct SafetensorsHeader {
  std::vector<TensorView> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

// Checks a whole file. Throws Error(kData, stage); `file_name` is printable.
SafetensorsHeader read_safetensors_header(std::span<const std::byte> file, const std::string& file_name,
                                          const std::string& stage);

// "format" of the metadata, also where the tensors are cut short or damaged; empty: the file has none, or is
// no safetensors file. Throws nothing that is about the file.
std::string safetensors_format(const std::filesystem::path& path);

}  // namespace prune2to4
