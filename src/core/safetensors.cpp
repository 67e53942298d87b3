// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/safetensors.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/open_file.h"
#include "core/printable.h"
#include "core/safetensors_header.h"

namespace prune2to4 {
namespace {

// Empty for an empty file. Throws Error(kFileSystem).
std::span<const std::byte> map_file(const std::filesystem::path& path) {
  const OpenFile file(path);
  const auto size = static_cast<size_t>(file.regular_status().st_size);
  if (size == 0) return {};
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.handle(), 0);
  if (memory == MAP_FAILED) file.refuse(errno);
  return {static_cast<const std::byte*>(memory), size};
}

}  // namespace

Safetensors Safetensors::open(const std::filesystem::path& path, const std::string& stage) {
  Safetensors file;
  file.file_ = printable(path.string());
  const std::span<const std::byte> bytes = map_file(path);
  file.data_ = bytes.data();
  file.size_ = bytes.size();
  SafetensorsHeader header = read_safetensors_header(bytes, file.file_, stage);
  file.tensors_ = std::move(header.tensors);
  file.metadata_ = std::move(header.metadata);
  return file;
}

Safetensors::Safetensors(Safetensors&& other) noexcept { *this = std::move(other); }

Safetensors& Safetensors::operator=(Safetensors&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(tensors_, other.tensors_);
  std::swap(metadata_, other.metadata_);
  std::swap(file_, other.file_);
  return *this;
}

Safetensors::~Safetensors() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

const TensorView* Safetensors::find(std::string_view name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [name](const TensorView& tensor) { return tensor.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

}  // namespace prune2to4
