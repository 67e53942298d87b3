// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <filesystem>
#include <future>
#include <span>
#include <string>
#include <utility>

namespace prune2to4 {

// Private anonymous memory in whole pages; not backed by a file, so nobody else can change it.
class MappedBytes {
 public:
  explicit MappedBytes(size_t size);  // throws std::bad_alloc
  MappedBytes(MappedBytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedBytes& operator=(MappedBytes&&) = delete;
  ~MappedBytes() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  // The caller then owns the memory, and munmaps it.
  std::byte* release() { return std::exchange(data_, nullptr); }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

struct FileBytes {
  MappedBytes bytes;  // outlives the hashing, also when both are destroyed
  std::future<std::string> sha256;
};

// Reads a regular file once, from start to end, while another thread hashes what has been read; the hash may
// come later than the bytes.
// Throws Error(kFileSystem) when it cannot be read, is empty, or changes meanwhile.
FileBytes read_file(const std::filesystem::path& path);

}  // namespace prune2to4
