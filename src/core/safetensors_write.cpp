// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/printable.h"
#include "core/safetensors_header.h"
#include "prune2to4/safetensors.h"

namespace prune2to4 {
namespace {

[[noreturn]] void refuse(const TensorView& tensor, const std::string& reason) {
  throw std::invalid_argument("tensor " + quoted_name(tensor.name) + ": " + reason);
}

// JSON text of a string; characters beyond ASCII stay as they are.
std::string json_text(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw std::invalid_argument(quoted_name(text) + " is not UTF-8");
  }
}

void check(const TensorView& tensor) {
  const SafetensorsDtype* const dtype = find_dtype(tensor.dtype);
  if (dtype == nullptr) refuse(tensor, "the dtype " + quoted_name(tensor.dtype) + " is unknown");
  if (tensor_bytes(*dtype, tensor.shape) != tensor.bytes.size()) {
    refuse(tensor, std::to_string(tensor.bytes.size()) + " bytes do not fit the shape " +
                       shape_text(tensor.shape) + " of " + tensor.dtype);
  }
  if (tensor.name == kMetadataKey) refuse(tensor, "the format keeps this name for itself");
}

// As serde_json writes it, without spaces.
std::string header_text(const std::vector<TensorView>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text;
  if (!metadata.empty()) {
    for (const auto& [key, value] : metadata) {
      text += (text.empty() ? "" : ",") + json_text(key) + ":" + json_text(value);
    }
    text = '"' + std::string(kMetadataKey) + "\":{" + text + "}";
  }
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    const auto numbers = [](const auto& values) { return nlohmann::json(values).dump(); };
    const uint64_t end = offset + tensor.bytes.size();
    text += (text.empty() ? "" : ",") + json_text(tensor.name) + R"(:{"dtype":")" + tensor.dtype +
            R"(","shape":)" + numbers(tensor.shape) + R"(,"data_offsets":)" +
            numbers(std::array{offset, end}) + "}";
    offset = end;
  }
  text = "{" + text + "}";
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  if (text.size() > kMaxHeaderBytes)
    throw std::invalid_argument("the header is larger than the format allows");
  return text;
}

}  // namespace

void write_safetensors(std::vector<TensorView> tensors, const std::map<std::string, std::string>& metadata,
                       AtomicFile& file) {
  for (const TensorView& tensor : tensors) check(tensor);
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    const auto* const first = find_dtype(a.dtype);
    const auto* const second = find_dtype(b.dtype);
    return first != second ? first > second : a.name < b.name;
  });
  std::vector<std::string_view> names;
  for (const TensorView& tensor : tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    throw std::invalid_argument("tensor " + quoted_name(*twice) + " is given twice");
  }

  const std::string header = header_text(tensors, metadata);
  const auto length = std::bit_cast<std::array<std::byte, kLengthBytes>>(uint64_t{header.size()});
  file.write(length);
  file.write(std::as_bytes(std::span(header)));
  for (const TensorView& tensor : tensors) file.write(tensor.bytes);
}

}  // namespace prune2to4
