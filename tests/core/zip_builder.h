// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "temporary_folder.h"

namespace prune2to4 {

// One record of a ZIP file laid out as LibTorch's writer does: flags 0x0808, no CRC or sizes in the local
// header, "FB" padding so that the data starts at a multiple of 64, a data descriptor after it; an empty
// record has flags 0x0800 and no descriptor. The optional fields write something else on purpose.
struct ZipPart {
  std::string name;  // with the top folder
  std::string data;
  bool deflated = false;
  bool descriptor = true;  // false: CRC and sizes in the local header, no descriptor
  bool zip64 = false;      // sizes and offset in ZIP64 fields
  uint32_t external_attributes = 0;
  std::optional<std::string> local_name = std::nullopt;
  std::optional<uint32_t> crc = std::nullopt;
  std::optional<uint16_t> method = std::nullopt;
  std::optional<uint16_t> flags = std::nullopt;
  std::optional<uint64_t> stored_size = std::nullopt;
  std::optional<uint64_t> size = std::nullopt;
  std::optional<uint64_t> header_offset = std::nullopt;
  std::string after = {};  // bytes put behind the record
};

struct ZipEnding {
  bool zip64 = true;  // a ZIP64 end record and its locator, as LibTorch always writes
  std::string before = {};
  std::string after = {};
  std::optional<uint64_t> entries = std::nullopt;
  std::optional<uint64_t> zip64_offset = std::nullopt;  // in the locator
  std::optional<uint64_t> directory_offset = std::nullopt;
};

std::string build_zip(const std::vector<ZipPart>& parts, const ZipEnding& ending = {});

// The value's bytes in little-endian order.
template <typename T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

// A file "m.pt" in a folder of its own, removed again with it.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) { rewrite(content); }
  void rewrite(std::string_view content) const;
  std::filesystem::path path() const { return folder_ / "m.pt"; }

 private:
  TemporaryFolder folder_;
};

}  // namespace prune2to4
