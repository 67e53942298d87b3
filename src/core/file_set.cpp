// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/file_set.h"

#include <sys/stat.h>

#include <charconv>
#include <cstdint>

#include "core/printable.h"
#include "core/safetensors_header.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxLinks = 40;  // as the kernel has it

// What makes two paths the same file.
struct Place {
  uint64_t device = 0;
  uint64_t inode = 0;  // of the file, or where it is not there yet, of its folder
  std::string name;    // in that folder; empty: the file is there

  bool operator==(const Place&) const = default;
};

// None for what is no file and cannot be replaced by one.
std::optional<Place> place_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode)) return std::nullopt;
    return Place{status.st_dev, status.st_ino, ""};
  }
  const fs::path target = resolve_links(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (::stat(folder.c_str(), &status) == 0) {
    return Place{status.st_dev, status.st_ino, target.filename().string()};
  }
  std::error_code ignored;
  return Place{0, 0, fs::absolute(target, ignored).lexically_normal().string()};
}

struct PlacedFile {
  const UsedFile& file;
  std::optional<Place> place;
  bool through_descriptor;

  bool is_written() const { return file.use != FileUse::kInput; }
  std::string name() const { return file.role + " " + in_quotes(file.path.string()); }
};

void check_pair(const PlacedFile& first, const PlacedFile& second, const std::string& stage) {
  if (!first.place || first.place != second.place) return;
  if (!first.is_written() && !second.is_written()) return;
  if (first.is_written() && second.is_written()) {
    if (first.through_descriptor && second.through_descriptor) return;
    throw Error(ExitStatus::kUsage, stage,
                first.name() + " and " + second.name() + " are one file; name two");
  }
  const PlacedFile& output = first.is_written() ? first : second;
  const PlacedFile& input = first.is_written() ? second : first;
  throw Error(ExitStatus::kUsage, stage,
              output.name() + " is the file of " + input.name() +
                  ", which would be overwritten; name another file for " + output.file.role);
}

void check_own(const UsedFile& file, const std::string& stage) {
  std::error_code error;
  const fs::file_status status = fs::status(file.path, error);
  if (status.type() == fs::file_type::not_found) return;
  const auto refuse = [&](const std::string& reason) {
    throw Error(ExitStatus::kUsage, stage, file.role + " " + in_quotes(file.path.string()) + ": " + reason);
  };
  if (status.type() != fs::file_type::regular) refuse("is no regular file; name a file");
  if (safetensors_format(file.path) != file.own_format) {
    refuse(
        "this file was not written by prune2to4 for this purpose, or its header is damaged, and is not "
        "replaced; "
        "name another file, or move this one away");
  }
}

}  // namespace

fs::path resolve_links(fs::path path) {
  std::error_code error;
  for (int i = 0; i < kMaxLinks; ++i) {
    const fs::path next = fs::read_symlink(path, error);
    if (error) return path;
    path = path.parent_path() / next;
  }
  return path;
}

std::optional<int> descriptor_of(fs::path path) {
  std::error_code error;
  const fs::path descriptors = fs::canonical("/proc/self/fd", error);
  if (error) return std::nullopt;
  for (int i = 0; i < kMaxLinks; ++i) {
    if (path.has_parent_path() && fs::canonical(path.parent_path(), error) == descriptors) {
      const std::string name = path.filename().string();
      int number = -1;
      const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
      if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return std::nullopt;
      return number;
    }
    const fs::path next = fs::read_symlink(path, error);
    if (error) return std::nullopt;
    path = path.parent_path() / next;
  }
  return std::nullopt;
}

void check_files(const std::vector<UsedFile>& files, const std::string& stage) {
  std::vector<PlacedFile> placed;
  for (const UsedFile& file : files) {
    placed.push_back({file, place_of(file.path), descriptor_of(file.path).has_value()});
  }
  for (size_t i = 0; i < placed.size(); ++i) {
    for (size_t j = 0; j < i; ++j) check_pair(placed[j], placed[i], stage);
  }
  for (const UsedFile& file : files) {
    if (!file.own_format.empty()) check_own(file, stage);
  }
}

}  // namespace prune2to4
