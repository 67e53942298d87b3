// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "core/little_endian.h"
#include "core/zip_directory.h"

namespace prune2to4 {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kDescriptorSignature = 0x08074b50;
constexpr size_t kLocalHeaderSize = 30;
constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();

// LibTorch deflates only code and its debug information. Of the models tried, the best ratio was 28, for the
// debug record of a ModuleList of 600 equal layers; the largest record had 53 KB.
constexpr uint64_t kMaxExpansion = 200;
constexpr uint64_t kMaxInflated = uint64_t{64} << 20U;
constexpr uint64_t kMaxInflatedTotal = uint64_t{256} << 20U;

// The sizes of a local header: as in the directory, or 0 if a descriptor follows, or in a ZIP64 field.
bool local_sizes_agree(Bytes header, Bytes extra, const ZipRecord& record) {
  const uint64_t stored = load_little_endian<uint32_t>(header, 18);
  const uint64_t size = load_little_endian<uint32_t>(header, 22);
  if ((record.flags & kZipDescriptor) != 0 && stored == 0 && size == 0) return true;
  if (stored == kMax32 || size == kMax32) {
    const Bytes field = zip64_extra(extra);  // a local field always holds both
    return field.size() >= 16 && load_little_endian<uint64_t>(field, 0) == record.entry.size &&
           load_little_endian<uint64_t>(field, 8) == record.entry.stored_size;
  }
  return stored == record.entry.stored_size && size == record.entry.size;
}

// Checks the local header and returns where the record's data ends. `limit`: where the next thing starts.
uint64_t check_local_header(Bytes bytes, uint64_t limit, ZipRecord& record, const std::string& file) {
  ArchiveEntry& entry = record.entry;
  const std::string overlap = "overlaps what follows it in the file";
  if (limit - record.header_offset < kLocalHeaderSize) refuse_record(file, entry.name, overlap);
  const Bytes rest = bytes.subspan(static_cast<size_t>(record.header_offset),
                                   static_cast<size_t>(limit - record.header_offset));
  const Bytes header = rest.first(kLocalHeaderSize);
  if (load_little_endian<uint32_t>(header, 0) != kLocalSignature) {
    refuse_record(file, entry.name, "has no local header where the directory says");
  }
  const size_t name_size = load_little_endian<uint16_t>(header, 26);
  const size_t extra_size = load_little_endian<uint16_t>(header, 28);
  const uint64_t front = kLocalHeaderSize + name_size + extra_size;
  if (rest.size() < front || rest.size() - front < entry.stored_size)
    refuse_record(file, entry.name, overlap);

  const Bytes name = rest.subspan(kLocalHeaderSize, name_size);
  if (!std::equal(name.begin(), name.end(), std::as_bytes(std::span(entry.name)).begin(),
                  std::as_bytes(std::span(entry.name)).end())) {
    refuse_record(file, entry.name, "has another name in its local header");
  }
  const auto crc = load_little_endian<uint32_t>(header, 14);
  const bool crc_agrees = crc == entry.crc || ((record.flags & kZipDescriptor) != 0 && crc == 0);
  if (load_little_endian<uint16_t>(header, 6) != record.flags ||
      load_little_endian<uint16_t>(header, 8) != (entry.deflated ? 8 : 0) || !crc_agrees ||
      !local_sizes_agree(header, rest.subspan(kLocalHeaderSize + name_size, extra_size), record)) {
    refuse_record(file, entry.name, "has a local header that disagrees with the directory");
  }
  entry.offset = record.header_offset + front;
  return entry.offset + entry.stored_size;
}

// APPNOTE 4.3.9: CRC and both sizes, of 4 or (ZIP64) 8 bytes each, with or without a signature before them.
bool descriptor_agrees(Bytes descriptor, const ArchiveEntry& entry) {
  if (descriptor.size() == 16 || descriptor.size() == 24) {
    if (load_little_endian<uint32_t>(descriptor, 0) != kDescriptorSignature) return false;
    descriptor = descriptor.subspan(4);
  }
  if (descriptor.size() != 12 && descriptor.size() != 20) return false;
  const bool wide = descriptor.size() == 20;
  const uint64_t stored =
      wide ? load_little_endian<uint64_t>(descriptor, 4) : load_little_endian<uint32_t>(descriptor, 4);
  const uint64_t size =
      wide ? load_little_endian<uint64_t>(descriptor, 12) : load_little_endian<uint32_t>(descriptor, 8);
  return load_little_endian<uint32_t>(descriptor, 0) == entry.crc && stored == entry.stored_size &&
         size == entry.size;
}

}  // namespace

void check_zip_records(Bytes bytes, uint64_t directory_offset, std::vector<ZipRecord>& records,
                       const std::string& file) {
  std::sort(records.begin(), records.end(),
            [](const ZipRecord& a, const ZipRecord& b) { return a.header_offset < b.header_offset; });
  for (const ZipRecord& record : records) {
    if (record.header_offset >= directory_offset) {
      refuse_record(file, record.entry.name,
                    "is said to start at byte " + std::to_string(record.header_offset) +
                        ", past the last record's end");
    }
  }
  if (records.front().header_offset != 0) {
    refuse_archive(file, "has " + std::to_string(records.front().header_offset) +
                             " bytes before its first record; a TorchScript archive has none");
  }
  for (size_t i = 0; i < records.size(); ++i) {
    const uint64_t limit = i + 1 < records.size() ? records[i + 1].header_offset : directory_offset;
    const uint64_t data_end = check_local_header(bytes, limit, records[i], file);
    const Bytes after = bytes.subspan(static_cast<size_t>(data_end), static_cast<size_t>(limit - data_end));
    const bool descriptor = (records[i].flags & kZipDescriptor) != 0;
    if (descriptor ? !descriptor_agrees(after, records[i].entry) : !after.empty()) {
      refuse_record(file, records[i].entry.name,
                    descriptor
                        ? "has a data descriptor that disagrees with the directory"
                        : "is followed by " + std::to_string(after.size()) + " bytes that no record owns");
    }
  }
}

void check_zip_expansion(const std::vector<ZipRecord>& records, const std::string& file) {
  uint64_t total = 0;
  for (const auto& [entry, header_offset, flags] : records) {
    if (!entry.deflated) continue;
    if (entry.name.starts_with("data/") || entry.name.starts_with("constants/")) {
      refuse_record(file, entry.name,
                    "is a compressed tensor, which LibTorch never writes; export the model again");
    }
    total += entry.size;
    if (entry.size > kMaxInflated || entry.size / kMaxExpansion > entry.stored_size ||
        total > kMaxInflatedTotal) {
      refuse_record(file, entry.name,
                    "would inflate from " + std::to_string(entry.stored_size) + " to " +
                        std::to_string(entry.size) +
                        " bytes; at most 200 times, 64 MiB a record and 256 MiB in all are inflated");
    }
  }
}

}  // namespace prune2to4
