// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/archive.h"

namespace prune2to4 {

struct ZipDirectory {
  std::string top_folder;
  std::vector<ArchiveEntry> entries;  // in file order
};

// Reads and checks everything of a ZIP file save the content of its records; reads no byte outside of
// `bytes`. `file` is for messages only. Throws Error(kModel).
//
// Every byte belongs to exactly one local header, record, data descriptor or directory: nothing before the
// first record, between two, or after the end. Thus no other reader can see another archive in the same file.
ZipDirectory read_zip_directory(std::span<const std::byte> bytes, const std::string& file);

// A record as the central directory has it, before its local header has been read.
struct ZipRecord {
  ArchiveEntry entry;  // `name` with the top folder, `offset` not yet known
  uint64_t header_offset = 0;
  uint16_t flags = 0;
};

// Bits of the general purpose flags.
inline constexpr uint16_t kZipEncrypted = 0x0001;
inline constexpr uint16_t kZipDescriptor = 0x0008;

// The payload of the one ZIP64 extra field (id 1); empty when there is none, or more than one.
std::span<const std::byte> zip64_extra(std::span<const std::byte> extra);

// Strips the common top folder off the names and returns it.
std::string check_zip_names(std::vector<ZipRecord>& records, const std::string& file);

// Checks local headers and data descriptors against the directory, which starts at `directory_offset`, fills
// in `entry.offset`, and sorts by it.
void check_zip_records(std::span<const std::byte> bytes, uint64_t directory_offset,
                       std::vector<ZipRecord>& records, const std::string& file);

// Refuses records that are deflated though they must not be, or that expand too much.
void check_zip_expansion(const std::vector<ZipRecord>& records, const std::string& file);

[[noreturn]] void refuse_archive(const std::string& file, const std::string& what);
[[noreturn]] void refuse_record(const std::string& file, std::string_view record, const std::string& what);

}  // namespace prune2to4
