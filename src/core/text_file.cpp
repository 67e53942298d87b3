// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ExitStatus::kFileSystem, "read", "cannot read \"" + path.string() + "\": " + why);
}

std::string explain(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return "there is no such file; check the path";
    case EACCES:
      return "no permission; change the file's permissions";
    case EISDIR:
      return "it is a directory; give a file name";
    default:
      return std::generic_category().message(error);
  }
}

}  // namespace

std::string read_text_file(const std::filesystem::path& path, uint64_t limit) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (file.fd < 0) refuse(path, explain(errno));
  constexpr size_t kStep = 64 * 1024;
  std::string text;
  while (text.size() <= limit) {
    throw_if_interrupted();
    const size_t size = text.size();
    text.resize(size + kStep);
    const ssize_t got = ::read(file.fd, text.data() + size, kStep);
    const int error = errno;
    text.resize(size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error != EINTR) refuse(path, explain(error));
    if (got == 0) return text;
  }
  refuse(path, "it is larger than " + format_bytes(static_cast<int64_t>(limit)) + "; is it the right file?");
}

}  // namespace prune2to4
