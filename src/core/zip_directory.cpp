// SPDX-License-Identifier: Apache-2.0
#include "core/zip_directory.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "core/little_endian.h"
#include "core/printable.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Bytes = std::span<const std::byte>;

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kCentralSignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kZip64EndSignature = 0x06064b50;
constexpr uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr size_t kCentralHeaderSize = 46;
constexpr size_t kEndSize = 22;
constexpr size_t kZip64EndSize = 56;
constexpr size_t kZip64LocatorSize = 20;
constexpr size_t kMaxEntries = 20'000;
constexpr uint16_t kMax16 = std::numeric_limits<uint16_t>::max();
constexpr uint32_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr uint16_t kKnownFlags = 0x080E;        // deflate level (2 bits), data descriptor, UTF-8 names
constexpr uint32_t kDirectoryAttribute = 0x10;  // MS-DOS

constexpr const char* kDamaged = "; the file is damaged: copy or export it again";

struct DirectoryPlace {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t entries = 0;
};

[[noreturn]] void refuse_without_end(Bytes bytes, const std::string& file) {
  if (bytes.size() >= 4 && load_little_endian<uint32_t>(bytes, 0) == kLocalSignature) {
    refuse_archive(file,
                   "is cut short or has bytes "
                   "after its end; copy or export it again");
  }
  refuse_archive(file,
                 "is not a TorchScript archive (a ZIP file); make one with torch.jit.trace(...).save(...) "
                 "or scripts/export_bert.py");
}

// `low`: what the 32-bit end record says; a field that is all ones there stands only in the ZIP64 record.
DirectoryPlace read_zip64_end(Bytes bytes, size_t locator, const DirectoryPlace& low,
                              const std::string& file) {
  const auto end_offset = load_little_endian<uint64_t>(bytes, locator + 8);
  if (load_little_endian<uint32_t>(bytes, locator + 4) != 0 ||
      load_little_endian<uint32_t>(bytes, locator + 16) != 1 || locator < kZip64EndSize ||
      end_offset != locator - kZip64EndSize) {
    refuse_archive(file,
                   std::string("its ZIP64 locator points elsewhere than at the record before it") + kDamaged);
  }
  const Bytes end = bytes.subspan(static_cast<size_t>(end_offset), kZip64EndSize);
  const DirectoryPlace place{load_little_endian<uint64_t>(end, 48), load_little_endian<uint64_t>(end, 40),
                             load_little_endian<uint64_t>(end, 32)};
  if (load_little_endian<uint32_t>(end, 0) != kZip64EndSignature ||
      load_little_endian<uint64_t>(end, 4) != kZip64EndSize - 12 ||
      load_little_endian<uint64_t>(end, 16) != 0 || load_little_endian<uint64_t>(end, 24) != place.entries) {
    refuse_archive(file, std::string("its ZIP64 end-of-directory record is malformed") + kDamaged);
  }
  if ((low.entries != kMax16 && low.entries != place.entries) ||
      (low.size != kMax32 && low.size != place.size) ||
      (low.offset != kMax32 && low.offset != place.offset)) {
    refuse_archive(file,
                   std::string("its ZIP64 and its 32-bit end-of-directory records disagree") + kDamaged);
  }
  return place;
}

DirectoryPlace find_directory(Bytes bytes, const std::string& file) {
  if (bytes.size() < kEndSize) refuse_without_end(bytes, file);
  const size_t end = bytes.size() - kEndSize;
  if (load_little_endian<uint32_t>(bytes, end) != kEndSignature ||
      load_little_endian<uint16_t>(bytes, end + 20) != 0) {
    refuse_without_end(bytes, file);
  }
  DirectoryPlace place{load_little_endian<uint32_t>(bytes, end + 16),
                       load_little_endian<uint32_t>(bytes, end + 12),
                       load_little_endian<uint16_t>(bytes, end + 10)};
  if (load_little_endian<uint32_t>(bytes, end + 4) != 0 ||
      load_little_endian<uint16_t>(bytes, end + 8) != place.entries) {
    refuse_archive(file, std::string("spans several disks") + kDamaged);
  }
  size_t directory_end = end;
  if (end >= kZip64LocatorSize &&
      load_little_endian<uint32_t>(bytes, end - kZip64LocatorSize) == kZip64LocatorSignature) {
    const size_t locator = end - kZip64LocatorSize;
    place = read_zip64_end(bytes, locator, place, file);
    directory_end = locator - kZip64EndSize;
  }
  if (place.entries > kMaxEntries) {
    refuse_archive(file, "has " + std::to_string(place.entries) + " records; at most " +
                             std::to_string(kMaxEntries) + " are read");
  }
  if (place.offset > directory_end || place.size != directory_end - place.offset) {
    refuse_archive(file,
                   std::string("its directory is not where the end-of-directory record says") + kDamaged);
  }
  if (place.entries == 0) refuse_archive(file, "is an empty ZIP file, not a TorchScript archive");
  return place;
}

// APPNOTE 4.5.3: the ZIP64 field holds only those of the three that are all ones in the header, in this
// order.
void take_zip64_fields(Bytes field, ZipRecord& record, const std::string& file) {
  for (uint64_t* value : {&record.entry.size, &record.entry.stored_size, &record.header_offset}) {
    if (*value != kMax32) continue;
    if (field.size() < sizeof(uint64_t))
      refuse_record(file, record.entry.name, "has a malformed ZIP64 field");
    *value = load_little_endian<uint64_t>(field, 0);
    field = field.subspan(sizeof(uint64_t));
  }
}

void check_kind(Bytes header, const ZipRecord& record, const std::string& file) {
  const std::string& name = record.entry.name;
  if ((record.flags & kZipEncrypted) != 0) refuse_record(file, name, "is encrypted");
  if ((record.flags & ~kKnownFlags) != 0) refuse_record(file, name, "has unknown general purpose flags");
  const auto method = load_little_endian<uint16_t>(header, 10);
  if (method != 0 && method != 8) {
    refuse_record(
        file, name,
        "is compressed with method " + std::to_string(method) + "; only stored and deflated are read");
  }
  if (load_little_endian<uint16_t>(header, 34) != 0)
    refuse_record(file, name, "is said to be on another disk");
  // LibTorch's reader leaves the memory of such a record as it was.
  if ((load_little_endian<uint32_t>(header, 38) & kDirectoryAttribute) != 0) {
    refuse_record(file, name, "is marked as a folder");
  }
}

// Reads the record at the front of `directory` and drops it from there.
ZipRecord take_central_record(Bytes& directory, const std::string& file) {
  if (directory.size() < kCentralHeaderSize ||
      load_little_endian<uint32_t>(directory, 0) != kCentralSignature) {
    refuse_archive(file, std::string("its directory is malformed") + kDamaged);
  }
  const Bytes header = directory.first(kCentralHeaderSize);
  const size_t name_size = load_little_endian<uint16_t>(header, 28);
  const size_t extra_size = load_little_endian<uint16_t>(header, 30);
  const size_t comment_size = load_little_endian<uint16_t>(header, 32);
  if (directory.size() - kCentralHeaderSize < name_size + extra_size + comment_size) {
    refuse_archive(file, std::string("a name in its directory runs past the directory's end") + kDamaged);
  }
  ZipRecord record;
  record.flags = load_little_endian<uint16_t>(header, 8);
  record.header_offset = load_little_endian<uint32_t>(header, 42);
  ArchiveEntry& entry = record.entry;
  entry.deflated = load_little_endian<uint16_t>(header, 10) == 8;
  entry.crc = load_little_endian<uint32_t>(header, 16);
  entry.stored_size = load_little_endian<uint32_t>(header, 20);
  entry.size = load_little_endian<uint32_t>(header, 24);
  const Bytes name = directory.subspan(kCentralHeaderSize, name_size);
  entry.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  check_kind(header, record, file);
  take_zip64_fields(zip64_extra(directory.subspan(kCentralHeaderSize + name_size, extra_size)), record, file);
  if (!entry.deflated && entry.stored_size != entry.size) {
    refuse_record(file, entry.name, "is stored, yet its two sizes differ");
  }
  directory = directory.subspan(kCentralHeaderSize + name_size + extra_size + comment_size);
  return record;
}

// torch.export's archives, since PyTorch 2.8 in a folder as TorchScript's are, before that in none.
void refuse_torch_export(const std::vector<ZipRecord>& records, const std::string& file) {
  constexpr std::array<std::string_view, 3> kRecords = {"archive_format", "models/model.json",
                                                        "serialized_exported_program.json"};
  for (const ZipRecord& record : records) {
    std::string_view name = record.entry.name;
    const bool whole = std::find(kRecords.begin(), kRecords.end(), name) != kRecords.end();
    name.remove_prefix(std::min(name.find('/') + 1, name.size()));
    if (!whole && std::find(kRecords.begin(), kRecords.end(), name) == kRecords.end()) continue;
    refuse_archive(file,
                   "is an archive of torch.export (.pt2), not of TorchScript; export the model with "
                   "torch.jit.trace(...).save(...) or scripts/export_bert.py instead");
  }
}

}  // namespace

void refuse_archive(const std::string& file, const std::string& what) {
  throw Error(ExitStatus::kModel, "archive", file + " " + what);
}

void refuse_record(const std::string& file, std::string_view record, const std::string& what) {
  throw Error(ExitStatus::kModel, "archive", file + ": record \"" + printable(record) + "\" " + what);
}

std::span<const std::byte> zip64_extra(Bytes extra) {
  Bytes found;
  int count = 0;
  while (extra.size() >= 4) {
    const auto id = load_little_endian<uint16_t>(extra, 0);
    const size_t size = load_little_endian<uint16_t>(extra, 2);
    if (size > extra.size() - 4) break;
    if (id == 1) {
      found = extra.subspan(4, size);
      ++count;
    }
    extra = extra.subspan(4 + size);
  }
  return count == 1 ? found : Bytes{};
}

ZipDirectory read_zip_directory(Bytes bytes, const std::string& file) {
  const DirectoryPlace place = find_directory(bytes, file);
  Bytes directory = bytes.subspan(static_cast<size_t>(place.offset), static_cast<size_t>(place.size));
  std::vector<ZipRecord> records;
  for (uint64_t i = 0; i < place.entries; ++i) records.push_back(take_central_record(directory, file));
  if (!directory.empty())
    refuse_archive(file, std::string("its directory is longer than its records") + kDamaged);

  refuse_torch_export(records, file);
  check_zip_records(bytes, place.offset, records, file);
  ZipDirectory result;
  result.top_folder = check_zip_names(records, file);
  check_zip_expansion(records, file);
  for (ZipRecord& record : records) result.entries.push_back(std::move(record.entry));
  return result;
}

}  // namespace prune2to4
