// SPDX-License-Identifier: Apache-2.0
#include "core/file_bytes.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <new>

#include "core/open_file.h"
#include "prune2to4/hash.h"

namespace prune2to4 {
namespace {

constexpr size_t kChunk = size_t{8} << 20U;
constexpr size_t kStopped = std::numeric_limits<size_t>::max();

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
  const struct stat before = file.regular_status();
  if (before.st_size == 0) file.refuse("it is empty; copy or export it again");

  const std::string changed = "it changed while it was read; wait until its writer is done";
  FileBytes result{MappedBytes(static_cast<size_t>(before.st_size)), {}};
  const std::span<std::byte> bytes(result.bytes.data(), result.bytes.size());
  const auto ready = std::make_shared<std::atomic<size_t>>(0);
  result.sha256 = std::async(std::launch::async, [bytes, ready] { return hash_while_read(bytes, *ready); });
  {
    const StopUnlessAll stop{*ready, bytes.size()};
    for (size_t done = 0; done < bytes.size();) {
      const size_t count = file.read(bytes.subspan(done, std::min(kChunk, bytes.size() - done)));
      if (count == 0) file.refuse(changed);
      done += count;
      ready->store(done);
      ready->notify_all();
    }
  }
  std::byte more{};
  const struct stat after = file.status();
  if (file.read({&more, 1}) != 0 || after.st_size != before.st_size ||
      after.st_mtim.tv_sec != before.st_mtim.tv_sec || after.st_mtim.tv_nsec != before.st_mtim.tv_nsec) {
    file.refuse(changed);
  }
  return result;
}

}  // namespace prune2to4
