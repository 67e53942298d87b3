// SPDX-License-Identifier: Apache-2.0
#include "core/open_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/printable.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"

namespace prune2to4 {

OpenFile::OpenFile(std::filesystem::path path, Pipes pipes)
    : path_(std::move(path)),
      handle_(::open(path_.c_str(),
                     O_RDONLY | O_CLOEXEC | O_NOCTTY | (pipes == Pipes::kRefused ? O_NONBLOCK : 0))) {
  if (handle_ < 0) refuse(errno);
}

OpenFile::~OpenFile() { ::close(handle_); }

struct stat OpenFile::status() const {
  struct stat status {};
  if (::fstat(handle_, &status) != 0) refuse(errno);
  return status;
}

struct stat OpenFile::regular_status() const {
  const struct stat status = this->status();
  if (S_ISDIR(status.st_mode)) refuse("it is a folder; name the file in it");
  if (!S_ISREG(status.st_mode)) refuse("it is not a regular file; copy it to one");
  return status;
}

size_t OpenFile::read(std::span<std::byte> into) const {
  while (true) {
    const ssize_t count = ::read(handle_, into.data(), into.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) refuse(errno);
    throw_if_interrupted();
  }
}

void OpenFile::refuse(const std::string& what) const {
  throw Error(ExitStatus::kFileSystem, "read", "cannot read \"" + printable(path_.string()) + "\": " + what);
}

void OpenFile::refuse(int error) const {
  const std::string text = std::generic_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      refuse(text + "; check the path");
    case EACCES:
      refuse(text + "; ask for read permission on it and its folders");
    case EISDIR:
      refuse("it is a folder; name the file in it");
    default:
      refuse(text);
  }
}

}  // namespace prune2to4
