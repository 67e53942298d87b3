// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/archive.h"

#include <libdeflate.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "core/file_bytes.h"
#include "core/printable.h"
#include "core/zip_directory.h"
#include "prune2to4/error.h"
#include "prune2to4/hash.h"

namespace prune2to4 {
namespace {

std::string hex32(uint32_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(8, '0');
  for (size_t i = 8; i-- > 0; value >>= 4U) text[i] = kDigits[value & 15U];
  return text;
}

std::string inflate(std::span<const std::byte> stored, const ArchiveEntry& entry, const std::string& file) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      libdeflate_alloc_decompressor(), &libdeflate_free_decompressor);
  if (!decompressor) throw std::bad_alloc();
  std::string inflated(static_cast<size_t>(entry.size), '\0');
  size_t used = 0;
  size_t made = 0;
  const libdeflate_result result = libdeflate_deflate_decompress_ex(
      decompressor.get(), stored.data(), stored.size(), inflated.data(), inflated.size(), &used, &made);
  if (result != LIBDEFLATE_SUCCESS || used != stored.size() || made != inflated.size()) {
    refuse_record(file, entry.name,
                  "does not inflate to the size that the directory says; the file is damaged");
  }
  return inflated;
}

// A model's folder as Hugging Face has it is the commonest thing that is given in an archive's place.
void refuse_hugging_face(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path / "config.json", ignored)) return;
  const std::filesystem::path folder = path.has_filename() ? path : path.parent_path();
  const std::string name = printable(folder.string());
  const bool is_dots = folder.filename() == "." || folder.filename() == "..";
  throw Error(ExitStatus::kFileSystem, "read",
              "cannot read \"" + name +
                  "\": it is a folder of Hugging Face, not a TorchScript archive; export it: "
                  "scripts/export_bert.py " +
                  name + " " + (is_dots ? "model" : name) + ".pt");
}

}  // namespace

Archive Archive::read(const std::filesystem::path& path) {
  refuse_hugging_face(path);
  Archive archive;
  archive.file_ = printable(path.string());
  FileBytes file = read_file(path);
  archive.size_ = file.bytes.size();
  archive.data_ = file.bytes.release();

  ZipDirectory directory = read_zip_directory(archive.bytes(), archive.file_);
  archive.entries_ = std::move(directory.entries);
  archive.top_folder_ = std::move(directory.top_folder);
  for (ArchiveEntry& entry : archive.entries_) {
    const std::string inflated =
        entry.deflated ? inflate(archive.stored(entry), entry, archive.file_) : std::string();
    const uint32_t crc = crc32(entry.deflated ? std::as_bytes(std::span(inflated)) : archive.stored(entry));
    entry.crc_known = entry.crc != 0 || crc == 0;
    if (entry.crc_known && crc != entry.crc) {
      refuse_record(archive.file_, entry.name,
                    "has the CRC " + hex32(crc) + " where the directory says " + hex32(entry.crc) +
                        "; the file is damaged: copy or export it again");
    }
  }
  archive.sha256_ = file.sha256.get();
  archive.by_name_.resize(archive.entries_.size());
  std::iota(archive.by_name_.begin(), archive.by_name_.end(), 0U);
  std::sort(archive.by_name_.begin(), archive.by_name_.end(),
            [&](uint32_t a, uint32_t b) { return archive.entries_[a].name < archive.entries_[b].name; });
  return archive;
}

Archive::Archive(Archive&& other) noexcept { *this = std::move(other); }

Archive& Archive::operator=(Archive&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(entries_, other.entries_);
  std::swap(by_name_, other.by_name_);
  std::swap(top_folder_, other.top_folder_);
  std::swap(sha256_, other.sha256_);
  std::swap(file_, other.file_);
  return *this;
}

Archive::~Archive() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

const ArchiveEntry* Archive::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](uint32_t i, std::string_view key) { return entries_[i].name < key; });
  return found != by_name_.end() && entries_[*found].name == name ? &entries_[*found] : nullptr;
}

std::span<const std::byte> Archive::stored(const ArchiveEntry& entry) const {
  return bytes().subspan(static_cast<size_t>(entry.offset), static_cast<size_t>(entry.stored_size));
}

std::string Archive::text(const ArchiveEntry& entry) const {
  const auto bytes = stored(entry);
  if (entry.deflated) return inflate(bytes, entry, file_);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void Archive::release(uint64_t offset, uint64_t size) {
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t end = size > size_ || offset > size_ - size ? size_ : offset + size;
  const uint64_t first = (offset + page - 1) / page * page;
  const uint64_t last = end / page * page;
  if (first < last) ::madvise(data_ + first, static_cast<size_t>(last - first), MADV_DONTNEED);
}

}  // namespace prune2to4
