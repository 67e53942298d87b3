// SPDX-License-Identifier: Apache-2.0
#include "core/safetensors_header.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "core/json_stream.h"
#include "core/little_endian.h"
#include "core/printable.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

constexpr const char* kMend = "the file is damaged or no safetensors file: copy or write it again";

// enum Dtype in the reference's tensor.rs
constexpr std::array<SafetensorsDtype, 22> kDtypes = {{
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};

struct TensorEntry {
  std::string name;
  const SafetensorsDtype* dtype = nullptr;
  bool has_shape = false;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> offsets;  // begin and end, from the end of the header; empty: not given
};

// Takes the header's JSON apart.
class HeaderReader : public JsonHandler {
 public:
  void open(const JsonPlace& place, bool is_array) override {
    const bool wants_array = state_ == State::kTensor && key_ != "dtype";
    const bool wants_object = state_ == State::kDocument || state_ == State::kTop;
    if (is_array ? !wants_array : !wants_object) fail(place, is_array ? "an array" : "an object");
    if (state_ == State::kDocument) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      state_ = key_ == kMetadataKey ? State::kMetadata : State::kTensor;
      if (state_ == State::kTensor) tensors_.emplace_back().name = key_;
    } else {
      state_ = State::kNumbers;
      if (key_ == "shape") tensors_.back().has_shape = true;
    }
  }

  void key(const JsonPlace& place, const std::string& key) override {
    key_ = key;
    if (state_ == State::kTensor && key != "dtype" && key != "shape" && key != "data_offsets") {
      place.fail("the key is unknown");
    }
  }

  void scalar(const JsonPlace& place, Json& value) override {
    if (state_ == State::kMetadata && value.is_string()) {
      metadata_[key_] = std::move(value.get_ref<std::string&>());
    } else if (state_ == State::kTensor && key_ == "dtype" && value.is_string()) {
      tensors_.back().dtype = find_dtype(value.get_ref<const std::string&>());
      if (tensors_.back().dtype == nullptr) {
        place.fail("the dtype " + quoted_name(value.get_ref<const std::string&>()) + " is unknown");
      }
    } else if (state_ == State::kNumbers && value.is_number_unsigned()) {
      numbers().push_back(value.get<uint64_t>());
    } else {
      fail(place, value.is_string() ? "a string" : value.dump());
    }
  }

  void close(const JsonPlace& place) override {
    if (state_ == State::kNumbers) {
      state_ = State::kTensor;
      if (key_ == "data_offsets" && numbers().size() != 2) {
        place.fail("must have 2 numbers, begin and end; found " + std::to_string(numbers().size()));
      }
    } else if (state_ == State::kTop) {
      state_ = State::kDocument;
    } else {
      if (state_ == State::kTensor) check_complete(place);
      state_ = State::kTop;
    }
  }

  std::vector<TensorEntry> take_tensors() { return std::move(tensors_); }
  std::map<std::string, std::string> take_metadata() { return std::move(metadata_); }

 private:
  enum class State { kDocument, kTop, kMetadata, kTensor, kNumbers };

  [[noreturn]] void fail(const JsonPlace& place, const std::string& found) const {
    const bool is_object = state_ == State::kDocument || state_ == State::kTop;
    const bool is_string = state_ == State::kMetadata || (state_ == State::kTensor && key_ == "dtype");
    const char* const wanted = is_object                   ? "an object"
                               : is_string                 ? "a string"
                               : state_ == State::kNumbers ? "an unsigned integer"
                                                           : "an array";
    place.fail(std::string("must be ") + wanted + "; found " + found);
  }

  void check_complete(const JsonPlace& place) const {
    const TensorEntry& tensor = tensors_.back();
    const char* const missing = tensor.dtype == nullptr  ? "dtype"
                                : !tensor.has_shape      ? "shape"
                                : tensor.offsets.empty() ? "data_offsets"
                                                         : nullptr;
    if (missing != nullptr) place.fail(std::string("the key \"") + missing + "\" is missing");
  }

  // Where the numbers of the array under `key_` go.
  std::vector<uint64_t>& numbers() {
    return key_ == "shape" ? tensors_.back().shape : tensors_.back().offsets;
  }

  State state_ = State::kDocument;
  std::string key_;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

class FileChecker {
 public:
  FileChecker(std::span<const std::byte> file, const std::string& file_name, const std::string& stage)
      : file_(file), file_name_(file_name), stage_(stage) {}

  std::string_view header_text() const {
    if (file_.size() < kLengthBytes) {
      fail("", std::to_string(file_.size()) + " bytes cannot hold the 8 of the header's length");
    }
    const auto length = load_little_endian<uint64_t>(file_, 0);
    if (length > kMaxHeaderBytes) {
      fail("", "a header of " + std::to_string(length) + " bytes is more than the format's " +
                   std::to_string(kMaxHeaderBytes));
    }
    if (length > file_.size() - kLengthBytes) {
      fail("", "the header of " + std::to_string(length) + " bytes passes the end of the file");
    }
    const auto* const begin = reinterpret_cast<const char*>(file_.data()) + kLengthBytes;
    const std::string_view text(begin, static_cast<size_t>(length));
    if (!text.starts_with('{')) fail("", "the header does not begin with \"{\"");
    // The JSON parser would take other white space there, too.
    if (const size_t last = text.find_last_not_of(' '); text[last] != '}') {
      fail("", "the header does not end with \"}\" and spaces");
    }
    return text;
  }

  SafetensorsHeader views(std::vector<TensorEntry> entries, size_t header_bytes) const {
    const std::span<const std::byte> data = file_.subspan(kLengthBytes + header_bytes);
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.offsets < b.offsets; });
    SafetensorsHeader header;
    uint64_t covered = 0;
    for (TensorEntry& entry : entries) {
      check_offsets(entry, covered, data.size());
      const auto begin = static_cast<size_t>(covered);
      covered = entry.offsets[1];
      header.tensors.push_back({std::move(entry.name), entry.dtype->name, std::move(entry.shape),
                                data.subspan(begin, static_cast<size_t>(covered) - begin)});
    }
    if (covered != data.size()) {
      fail("", std::to_string(data.size() - covered) + " bytes at its end belong to no tensor");
    }
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& place, const std::string& reason) const {
    throw Error(ExitStatus::kData, stage_, file_name_ + ": " + place + reason + "; " + kMend);
  }

  void check_offsets(const TensorEntry& entry, uint64_t covered, uint64_t available) const {
    const std::string place = "tensor " + quoted_name(entry.name) + ": ";
    const uint64_t begin = entry.offsets[0];
    const uint64_t end = entry.offsets[1];
    const std::string offsets = "data_offsets " + shape_text(entry.offsets);
    if (end < begin) fail(place, offsets + " end before they begin");
    if (end > available) {
      fail(place, offsets + " pass the end of the file, which has " + std::to_string(available) +
                      " bytes behind its header");
    }
    if (begin < covered)
      fail(place, offsets + " overlap the tensor before, which ends at " + std::to_string(covered));
    if (begin > covered) fail(place, offsets + " leave a hole behind byte " + std::to_string(covered));
    const std::string kind =
        std::string("dtype ") + entry.dtype->name + " and shape " + shape_text(entry.shape);
    const std::optional<uint64_t> bytes = tensor_bytes(*entry.dtype, entry.shape);
    if (!bytes) fail(place, kind + " make more bytes than 64 bits can count, or no whole number of them");
    if (*bytes != end - begin) {
      fail(place, kind + " make " + std::to_string(*bytes) + " bytes, but " + offsets + " hold " +
                      std::to_string(end - begin));
    }
  }

  std::span<const std::byte> file_;
  const std::string& file_name_;
  const std::string& stage_;
};

}  // namespace

const SafetensorsDtype* find_dtype(std::string_view name) {
  const auto found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [name](const auto& dtype) { return dtype.name == name; });
  return found == kDtypes.end() ? nullptr : &*found;
}

std::optional<uint64_t> tensor_bytes(const SafetensorsDtype& dtype, std::span<const uint64_t> shape) {
  uint64_t bits = 1;
  for (const uint64_t size : shape) {
    if (__builtin_mul_overflow(bits, size, &bits)) return std::nullopt;
  }
  if (__builtin_mul_overflow(bits, uint64_t{dtype.bits}, &bits) || bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

std::string shape_text(std::span<const uint64_t> shape) {
  constexpr size_t kShown = 16;
  std::string text = "[";
  for (size_t i = 0; i < std::min(shape.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + (shape.size() > kShown ? ", ...]" : "]");
}

SafetensorsHeader read_safetensors_header(std::span<const std::byte> file, const std::string& file_name,
                                          const std::string& stage) {
  const FileChecker checker(file, file_name, stage);
  const std::string_view text = checker.header_text();
  HeaderReader reader;
  stream_json(text,
              {.name = file_name + ": header",
               .stage = stage,
               .status = ExitStatus::kData,
               .max_bytes = kMaxHeaderBytes,
               .mend = kMend},
              reader);
  SafetensorsHeader header = checker.views(reader.take_tensors(), text.size());
  header.metadata = reader.take_metadata();
  return header;
}

std::string safetensors_format(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kLengthBytes, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) return "";
  const auto size = load_little_endian<uint64_t>(std::as_bytes(std::span(text)), 0);
  std::error_code error;
  if (size > std::min<uint64_t>(kMaxHeaderBytes, std::filesystem::file_size(path, error))) return "";
  text.resize(static_cast<size_t>(size));
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size()))) return "";
  const Json header = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Json::json_pointer format("/" + std::string(kMetadataKey) + "/format");
  if (!header.is_object() || !header.contains(format) || !header.at(format).is_string()) return "";
  return header.at(format).get<std::string>();
}

}  // namespace prune2to4
