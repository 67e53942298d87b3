// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace prune2to4 {

// A file opened for reading. Every member throws Error(kFileSystem): [read] cannot read "PATH": reason; mend.
class OpenFile {
 public:
  enum class Pipes { kRefused, kAwaited };  // kAwaited: opening and reading wait for a pipe's writer

  explicit OpenFile(std::filesystem::path path, Pipes pipes = Pipes::kRefused);
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  int handle() const { return handle_; }
  struct stat status() const;
  struct stat regular_status() const;  // refuses folders, pipes and devices: call it first, unless kAwaited
  // Bytes read; 0 at the end of the file. Throws Interrupted after a signal, too.
  size_t read(std::span<std::byte> into) const;

  [[noreturn]] void refuse(const std::string& what) const;
  [[noreturn]] void refuse(int error) const;  // errno

 private:
  std::filesystem::path path_;
  int handle_;
};

}  // namespace prune2to4
