// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace prune2to4 {

// One record of a TorchScript archive (a ZIP file).
struct ArchiveEntry {
  std::string name;     // without the archive's top folder: "data.pkl", "data/7", "code/__torch__/m.py"
  uint64_t offset = 0;  // of its first stored byte in the file
  uint64_t stored_size = 0;
  uint64_t size = 0;  // after inflating
  uint32_t crc = 0;   // of the inflated bytes
  bool deflated = false;
  bool crc_known = true;  // false: the writer left CRC 0 ("not computed")
};

// A TorchScript archive read once into memory and verified there, so that what is checked is what is used.
//
// LibTorch checks neither sizes nor CRC when it loads an archive: of 300 bit flips in weights, 295 loaded and
// changed the output in silence. read() therefore checks, before Torch sees a byte: end-of-directory record
// and ZIP64 fields, at most 20,000 entries, names (at most 511 bytes, no "..", no leading '/', no backslash,
// no control character, no duplicates whatever the case, one common top folder), local headers and data
// descriptors against the directory, methods (stored, or deflated for code/ and other non-tensor records, at
// most 200 times expansion and 64 MiB), no encryption, no overlap, no byte that belongs to nothing, and the
// CRC of every record. Format: PKWARE APPNOTE 6.3; LibTorch's layout: caffe2/serialize/inline_container.h.
class Archive {
 public:
  // Throws Error: kFileSystem when the file cannot be read, kModel naming the record that is wrong.
  static Archive read(const std::filesystem::path& path);

  Archive(Archive&&) noexcept;
  Archive& operator=(Archive&&) noexcept;
  ~Archive();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::vector<ArchiveEntry>& entries() const { return entries_; }  // in file order
  const std::string& top_folder() const { return top_folder_; }
  const std::string& sha256() const { return sha256_; }  // of the whole file
  const std::string& file() const { return file_; }      // printable path, for messages

  const ArchiveEntry* find(std::string_view name) const;
  // A record's stored bytes; only for records that are not deflated.
  std::span<const std::byte> stored(const ArchiveEntry& entry) const;
  // A record's bytes, inflated where needed. Throws Error(kModel) when they do not inflate to `entry.size`.
  std::string text(const ArchiveEntry& entry) const;

  // Gives the whole pages within [offset, offset + size) back to the system: a loader that has consumed a
  // tensor does not need its bytes twice in memory. They read as zeros afterwards.
  void release(uint64_t offset, uint64_t size);

 private:
  Archive() = default;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::vector<ArchiveEntry> entries_;
  std::vector<uint32_t> by_name_;  // indexes of entries_, sorted by name
  std::string top_folder_;
  std::string sha256_;
  std::string file_;
};

// Refuses what must not reach torch::jit::load: missing records, another byte order, the format from before
// TorchScript 1.4 (model.json), pickles with anything but plain data, tensors whose storage record is missing
// or has not exactly the size that the pickle claims (LibTorch would read out of bounds), quantised and
// sparse-layout tensors (LibTorch does not check their indices), and, unless `trust_model`, code that could
// touch files or run during load: `__setstate__`, `save`, `from_file`, operators of unknown namespaces,
// custom classes other than ours. Throws Error(kModel).
void gate_archive(const Archive& archive, bool trust_model);

}  // namespace prune2to4
