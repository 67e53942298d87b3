// SPDX-License-Identifier: Apache-2.0
#include "core/file_bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <limits>
#include <memory>
#include <new>
#include <system_error>

#include "core/printable.h"
#include "prune2to4/error.h"
#include "prune2to4/hash.h"

namespace prune2to4 {
namespace {

constexpr size_t kChunk = size_t{8} << 20U;
constexpr size_t kStopped = std::numeric_limits<size_t>::max();

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(ExitStatus::kFileSystem, "read", "cannot read \"" + printable(path.string()) + "\": " + what);
}

std::string mend(int error) {
  const std::string text = std::generic_category().message(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return text + "; check the path";
    case EACCES:
      return text + "; ask for read permission on it and its folders";
    default:
      return text;
  }
}

class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& path)
      : handle_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
    if (handle_ < 0) refuse(path, mend(errno));
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() { ::close(handle_); }
  int handle() const { return handle_; }

 private:
  int handle_;
};

struct stat status_of(const OpenFile& file, const std::filesystem::path& path) {
  struct stat status {};
  if (::fstat(file.handle(), &status) != 0) refuse(path, mend(errno));
  return status;
}

// Returns 0 at the end of the file.
size_t read_some(const OpenFile& file, std::span<std::byte> into, const std::filesystem::path& path) {
  while (true) {
    const ssize_t count = ::read(file.handle(), into.data(), into.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) refuse(path, mend(errno));
  }
}

// `ready`: how many bytes are there so far, or kStopped when no more will come.
std::string hash_while_read(std::span<const std::byte> bytes, const std::atomic<size_t>& ready) {
  Sha256 digest;
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t now = ready.load();
    if (now == kStopped) return {};
    if (now == done) {
      ready.wait(now);
      continue;
    }
    digest.update(bytes.subspan(done, now - done));
    done = now;
  }
  return digest.hex();
}

// Ends the hashing thread when reading throws; its future would wait for it for ever.
struct StopUnlessAll {
  std::atomic<size_t>& ready;
  size_t all;
  ~StopUnlessAll() {
    if (ready.load() == all) return;
    ready.store(kStopped);
    ready.notify_all();
  }
};

}  // namespace

MappedBytes::MappedBytes(size_t size) : size_(size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  ::madvise(memory, size, MADV_HUGEPAGE);  // only a wish: a quarter of the page faults' time, where granted
  data_ = static_cast<std::byte*>(memory);
}

FileBytes read_file(const std::filesystem::path& path) {
  const OpenFile file(path);
  const struct stat before = status_of(file, path);
  if (S_ISDIR(before.st_mode)) refuse(path, "it is a folder; name the file in it");
  if (!S_ISREG(before.st_mode)) refuse(path, "it is not a regular file");
  if (before.st_size == 0) refuse(path, "it is empty; copy or export it again");

  const std::string changed = "it changed while it was read; wait until its writer is done";
  FileBytes result{MappedBytes(static_cast<size_t>(before.st_size)), {}};
  const std::span<std::byte> bytes(result.bytes.data(), result.bytes.size());
  const auto ready = std::make_shared<std::atomic<size_t>>(0);
  result.sha256 = std::async(std::launch::async, [bytes, ready] { return hash_while_read(bytes, *ready); });
  {
    const StopUnlessAll stop{*ready, bytes.size()};
    for (size_t done = 0; done < bytes.size();) {
      const size_t count = read_some(file, bytes.subspan(done, std::min(kChunk, bytes.size() - done)), path);
      if (count == 0) refuse(path, changed);
      done += count;
      ready->store(done);
      ready->notify_all();
    }
  }
  std::byte more{};
  const struct stat after = status_of(file, path);
  if (read_some(file, {&more, 1}, path) != 0 || after.st_size != before.st_size ||
      after.st_mtim.tv_sec != before.st_mtim.tv_sec || after.st_mtim.tv_nsec != before.st_mtim.tv_nsec) {
    refuse(path, changed);
  }
  return result;
}

}  // namespace prune2to4
