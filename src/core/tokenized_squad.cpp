// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/tokenized_squad.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "core/printable.h"
#include "core/safetensors_header.h"
#include "core/squad_examples.h"
#include "core/squad_windows.h"

namespace prune2to4 {
namespace {

using Shape = std::vector<uint64_t>;

constexpr const char* kTokenizerMend = "tokenize with the model's own tokenizer";

// Finds metadata and tensors by name, as their reader wants them.
class SquadContents {
 public:
  explicit SquadContents(const Safetensors& file) : file_(file) {}

  [[noreturn]] void fail(const std::string& what) const { refuse_squad(file_.file(), what); }

  const std::string& metadata(const char* key) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end()) fail(std::string("metadata \"") + key + "\" is missing");
    return found->second;
  }

  // A decimal number that an int32 holds.
  int64_t number(const char* key, int64_t least) const {
    const std::string& text = metadata(key);
    int32_t value = -1;
    const char* const end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || parsed != end || value < least) {
      fail(std::string("metadata \"") + key + "\": must be a number from " + std::to_string(least) + " to " +
           std::to_string(std::numeric_limits<int32_t>::max()) + "; found " + quoted_name(text));
    }
    return value;
  }

  void check_sha256(const char* key) const {
    const std::string& text = metadata(key);
    if (text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos) return;
    fail(std::string("metadata \"") + key + "\": must be a SHA-256 of 64 hexadecimal digits; found " +
         quoted_name(text));
  }

  bool has(const char* name) const { return file_.find(name) != nullptr; }

  // A tensor of this many dimensions; `wanted` is their text for the message.
  const TensorView& tensor(const char* name, const char* dtype, size_t dimensions, const char* wanted) const {
    const TensorView* const found = file_.find(name);
    if (found == nullptr) fail_tensor(name, "is missing");
    if (found->dtype != dtype) fail_tensor(name, "has dtype " + found->dtype + " instead of " + dtype);
    if (found->shape.size() != dimensions) {
      fail_tensor(name, "has shape " + shape_text(found->shape) + " instead of " + wanted);
    }
    return *found;
  }

  template <typename T>
  std::span<const T> values(const char* name, const Shape& shape) const {
    const std::string wanted = shape_text(shape);
    const TensorView& found = tensor(name, sizeof(T) == 1 ? "U8" : "I32", shape.size(), wanted.c_str());
    if (found.shape != shape) {
      fail_tensor(name, "has shape " + shape_text(found.shape) + " instead of " + wanted);
    }
    if (reinterpret_cast<uintptr_t>(found.bytes.data()) % alignof(T) != 0) {
      fail_tensor(name, "begins at a byte of the file that is no multiple of " + std::to_string(alignof(T)));
    }
    return {reinterpret_cast<const T*>(found.bytes.data()), found.bytes.size() / sizeof(T)};
  }

  void refuse_other_tensors() const {
    constexpr std::array<std::string_view, 8> kKnown = {"input_ids", "token_type_ids", "length", "offsets",
                                                        "example",   "start",          "end",    "examples"};
    for (const TensorView& tensor : file_.tensors()) {
      if (std::find(kKnown.begin(), kKnown.end(), tensor.name) != kKnown.end()) continue;
      fail("tensor " + quoted_name(tensor.name) + ": is unknown");
    }
  }

  [[noreturn]] void fail_tensor(const char* name, const std::string& reason) const {
    fail(std::string("tensor \"") + name + "\": " + reason);
  }

 private:
  const Safetensors& file_;
};

void check_format(const SquadContents& file) {
  if (const std::string& format = file.metadata("format"); format != TokenizedSquad::kFormat) {
    file.fail("metadata \"format\": is " + quoted_name(format) + " instead of \"" + TokenizedSquad::kFormat +
              "\"; this is no tokenized SQuAD file");
  }
  if (const std::string& version = file.metadata("version"); version != TokenizedSquad::kFormatVersion) {
    file.fail("metadata \"version\": is " + quoted_name(version) + ", but this program reads \"" +
              TokenizedSquad::kFormatVersion + "\"");
  }
}

SquadVersion squad_version(const SquadContents& file) {
  const std::string& version = file.metadata("squad_version");
  if (version != "1.1" && version != "2.0") {
    file.fail("metadata \"squad_version\": must be \"1.1\" or \"2.0\"; found " + quoted_name(version));
  }
  return version == "1.1" ? SquadVersion::k11 : SquadVersion::k20;
}

// Where the first value above `limit` is.
template <typename T>
std::optional<size_t> first_above(std::span<const T> values, int64_t limit) {
  T largest = 0;
  for (const T value : values) largest = std::max(largest, value);
  if (largest <= limit) return std::nullopt;
  const auto found = std::find_if(values.begin(), values.end(), [limit](T value) { return value > limit; });
  return static_cast<size_t>(found - values.begin());
}

}  // namespace

TokenizedSquad TokenizedSquad::read(const std::filesystem::path& path) {
  return TokenizedSquad(Safetensors::open(path, kSquadStage));
}

TokenizedSquad::TokenizedSquad(Safetensors file)
    : file_(std::move(file)), texts_(std::make_unique<SquadTexts>()) {
  const SquadContents contents(file_);
  check_format(contents);
  version_ = squad_version(contents);
  const int64_t max_length = contents.number("max_length", 1);
  if (contents.number("stride", 0) >= max_length)
    contents.fail("metadata \"stride\": must be below \"max_length\"");
  pad_token_id_ = contents.number("pad_token_id", 0);
  contents.metadata("source");
  contents.check_sha256("source_sha256");
  contents.check_sha256("vocabulary_sha256");
  contents.refuse_other_tensors();

  const Shape shape = contents.tensor("input_ids", "I32", 2, "[windows, tokens]").shape;
  const uint64_t rows = shape[0];
  const uint64_t width = shape[1];
  if (rows == 0) contents.fail_tensor("input_ids", "has no rows; the data set must have a question");
  if (width > static_cast<uint64_t>(max_length)) {
    contents.fail_tensor("input_ids", "has rows of " + std::to_string(width) +
                                          " tokens, more than the \"max_length\" of " +
                                          std::to_string(max_length));
  }
  windows_ = static_cast<int64_t>(rows);
  width_ = static_cast<int64_t>(width);
  input_ids_ = contents.values<int32_t>("input_ids", shape);
  token_type_ids_ = contents.values<uint8_t>("token_type_ids", shape);
  length_ = contents.values<int32_t>("length", {rows});
  offsets_ = contents.values<int32_t>("offsets", {rows, width, 2});
  example_ = contents.values<int32_t>("example", {rows});
  if (contents.has("start") || contents.has("end")) {
    start_ = contents.values<int32_t>("start", {rows});
    end_ = contents.values<int32_t>("end", {rows});
  }

  const std::span<const std::byte> json = contents.tensor("examples", "U8", 1, "[bytes]").bytes;
  examples_ =
      read_squad_examples({reinterpret_cast<const char*>(json.data()), json.size()}, file_.file(), *texts_);
  check_squad_windows({.count = static_cast<size_t>(rows),
                       .width = static_cast<size_t>(width),
                       .input_ids = input_ids_,
                       .length = length_,
                       .offsets = offsets_,
                       .example = example_,
                       .start = start_,
                       .end = end_},
                      examples_, file_.file());
}

TokenizedSquad::TokenizedSquad(TokenizedSquad&&) noexcept = default;
TokenizedSquad& TokenizedSquad::operator=(TokenizedSquad&&) noexcept = default;
TokenizedSquad::~TokenizedSquad() = default;

std::span<const int32_t> TokenizedSquad::input_ids(int64_t window) const {
  return input_ids_.subspan(static_cast<size_t>(window * width_), static_cast<size_t>(length(window)));
}

std::span<const uint8_t> TokenizedSquad::token_type_ids(int64_t window) const {
  return token_type_ids_.subspan(static_cast<size_t>(window * width_), static_cast<size_t>(length(window)));
}

std::span<const int32_t> TokenizedSquad::offsets(int64_t window) const {
  return offsets_.subspan(static_cast<size_t>(2 * window * width_), static_cast<size_t>(2 * length(window)));
}

void TokenizedSquad::check_fits(int64_t vocabulary, int64_t segments, int64_t positions) const {
  const auto width = static_cast<size_t>(width_);
  if (vocabulary > 0) {
    const std::string limit = " is not below the model's vocabulary of " + std::to_string(vocabulary);
    if (const auto at = first_above(input_ids_, vocabulary - 1)) {
      refuse_squad(file(),
                   squad_token("input_ids", *at / width, *at % width) + ": the id " +
                       std::to_string(input_ids_[*at]) + limit,
                   kTokenizerMend);
    }
    if (pad_token_id_ >= vocabulary) {
      refuse_squad(file(), "metadata \"pad_token_id\": the id " + std::to_string(pad_token_id_) + limit,
                   kTokenizerMend);
    }
  }
  if (segments > 0) {
    if (const auto at = first_above(token_type_ids_, segments - 1)) {
      refuse_squad(file(),
                   squad_token("token_type_ids", *at / width, *at % width) + ": the segment " +
                       std::to_string(token_type_ids_[*at]) + " is not below the model's " +
                       std::to_string(segments),
                   kTokenizerMend);
    }
  }
  if (positions > 0) {
    if (const auto at = first_above(length_, positions)) {
      refuse_squad(file(),
                   squad_row("length", *at) + ": " + std::to_string(length_[*at]) +
                       " tokens are more than the model's " + std::to_string(positions) + " positions",
                   "tokenize with --max-length " + std::to_string(positions));
    }
  }
}

std::vector<int64_t> TokenizedSquad::training_windows() const {
  std::vector<int64_t> windows;
  for (int64_t window = 0; window < windows_; ++window) {
    if (!labelled() || start(window) != kUnknownLabel) windows.push_back(window);
  }
  return windows;
}

bool TokenizedSquad::has_answers() const {
  if (std::any_of(examples_.begin(), examples_.end(),
                  [](const auto& each) { return !each.answers.empty(); })) {
    return true;
  }
  const bool known =
      std::any_of(start_.begin(), start_.end(), [](int32_t at) { return at != kUnknownLabel; });
  return version_ == SquadVersion::k20 && known;
}

}  // namespace prune2to4
