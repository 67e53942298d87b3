// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/atomic_file.h"

namespace prune2to4 {

// One tensor of a safetensors file: row-major, little-endian.
struct TensorView {
  std::string name;
  std::string dtype;  // as the format spells it: "F32", "I32", "U8", ...
  std::vector<uint64_t> shape;
  std::span<const std::byte> bytes;
};

// A safetensors file, mapped into memory and checked as the reference implementation does it
// (https://github.com/huggingface/safetensors, tensor.rs): the file is
//
//   u64 N, little-endian | N bytes of UTF-8 JSON, beginning with '{', padded with spaces | tensor bytes
//
// and the JSON maps each name to {"dtype", "shape", "data_offsets": [begin, end]}, and "__metadata__" to
// strings. Checked: N at most 100 MB and within the file, each key known and there once, dtype known, shape
// and offsets unsigned integers, the product of shape and element size without overflow and equal to end -
// begin, and offsets that cover the bytes behind the header in order without hole, overlap or remainder.
//
// The file must not be cut short by others while it is mapped.
class Safetensors {
 public:
  // Throws Error: kFileSystem when the file cannot be read, kData "[stage] FILE: ..." naming tensor and
  // reason.
  static Safetensors open(const std::filesystem::path& path, const std::string& stage);

  Safetensors(Safetensors&&) noexcept;
  Safetensors& operator=(Safetensors&&) noexcept;
  ~Safetensors();

  const std::vector<TensorView>& tensors() const { return tensors_; }  // in the order of their bytes
  const TensorView* find(std::string_view name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }  // the whole file
  const std::string& file() const { return file_; }                    // printable path, for messages

 private:
  Safetensors() = default;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::vector<TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
  std::string file_;
};

// Writes a file that the reference implementation reads, to the byte what its own writer would make: tensors
// by descending dtype in its order of alignment, then by name; several metadata, which it writes in any
// order, by key. Bytes go to `file`, which the caller commits. Throws std::invalid_argument for an unknown
// dtype, a name given twice or not UTF-8, or bytes that do not fit the shape.
void write_safetensors(std::vector<TensorView> tensors, const std::map<std::string, std::string>& metadata,
                       AtomicFile& file);

}  // namespace prune2to4
