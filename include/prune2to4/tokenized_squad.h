// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/safetensors.h"

namespace prune2to4 {

// Which official script scores a data set: 2.0 has questions without an answer.
enum class SquadVersion { k11, k20 };

struct SquadTexts;  // of the implementation

struct SquadExample {
  std::string_view id;
  std::string_view question;
  std::string_view context;                   // UTF-8; what offsets count
  std::span<const std::string_view> answers;  // texts; empty: unanswerable, or a data set without answers
};

// A SQuAD file cut into windows by scripts/tokenize_squad.py. F windows of at most L tokens; a window is the
// question and as much of the context as fits, the next one begins `stride` tokens before the end of the
// last. The file is a safetensors file with the tensors
//
//   input_ids      int32 [F, L]      token ids
//   token_type_ids uint8 [F, L]      segments; 0 throughout for models without them
//   length         int32 [F]         tokens before the padding, 1..L
//   offsets        int32 [F, L, 2]   begin and end in UTF-8 bytes of the context; -1, -1 where not context
//   example        int32 [F]         index into the examples; windows of one example follow one another
//   start, end     int32 [F]         first and last token of an answer; 0, 0 where the window has none; -1,
//   -1
//                                    where it is not known, as of an answer that is not at its answer_start.
//                                    Both or neither.
//   examples       uint8 [N]         UTF-8 JSON: {"contexts": [text, ...], "examples": [{"id": text,
//   "question":
//                                    text, "context": index, "answers": [text, ...]}, ...]}
//
// and the metadata "format": "prune2to4.squad", "version": "1", "squad_version": "1.1" or "2.0",
// "max_length", "stride", "pad_token_id" (decimal numbers), "vocabulary_sha256", "source" and "source_sha256"
// (of the JSON file).
//
// Of plain text each passage is an example without labels and answers, with an empty question that no window
// holds.
//
// read() checks all of it: dtypes and shapes, every id >= 0, every length, every offset (inside its context,
// begin <= end, on the boundaries of UTF-8 code points; -1 only in pairs), the order of examples, at least
// one window each, labels inside their windows and on context tokens, ids without duplicates. Memory beyond
// the mapped file is at most the bytes of `examples` and some 100 bytes for each of them.
class TokenizedSquad {
 public:
  static constexpr const char* kFormat = "prune2to4.squad";
  static constexpr const char* kFormatVersion = "1";
  static constexpr int32_t kUnknownLabel = -1;

  // Throws Error: kFileSystem when the file cannot be read, kData "[data] FILE: tensor "length" row 3: ...".
  static TokenizedSquad read(const std::filesystem::path& path);

  TokenizedSquad(TokenizedSquad&&) noexcept;
  TokenizedSquad& operator=(TokenizedSquad&&) noexcept;
  ~TokenizedSquad();

  int64_t windows() const { return windows_; }  // F
  int64_t width() const { return width_; }      // L
  int64_t pad_token_id() const { return pad_token_id_; }
  SquadVersion version() const { return version_; }
  bool labelled() const { return start_.data() != nullptr; }
  // Windows to train on: those whose label is known; all of data without labels.
  std::vector<int64_t> training_windows() const;
  // Whether the questions have answers to score with. Of SQuAD 2.0's some may have none, of a test set all.
  bool has_answers() const;

  // Of one window, without its padding. [length]
  std::span<const int32_t> input_ids(int64_t window) const;
  std::span<const uint8_t> token_type_ids(int64_t window) const;
  // Begin and end of each token, interleaved. [2 * length]
  std::span<const int32_t> offsets(int64_t window) const;
  int32_t length(int64_t window) const { return length_[static_cast<size_t>(window)]; }
  int32_t example(int64_t window) const { return example_[static_cast<size_t>(window)]; }
  // Precondition: labelled().
  int32_t start(int64_t window) const { return start_[static_cast<size_t>(window)]; }
  int32_t end(int64_t window) const { return end_[static_cast<size_t>(window)]; }

  const std::vector<SquadExample>& examples() const { return examples_; }
  const std::string& file() const { return file_.file(); }  // printable path, for messages
  std::span<const std::byte> bytes() const { return file_.bytes(); }

  // Throws Error(kData) naming tensor, row and value when a token id is not below `vocabulary`, a segment not
  // below `segments`, or a window longer than `positions`. 0: no limit is known.
  void check_fits(int64_t vocabulary, int64_t segments, int64_t positions) const;

 private:
  explicit TokenizedSquad(Safetensors file);

  Safetensors file_;
  std::unique_ptr<SquadTexts> texts_;  // what the examples' views point to
  std::vector<SquadExample> examples_;
  int64_t windows_ = 0;
  int64_t width_ = 0;
  int64_t pad_token_id_ = 0;
  SquadVersion version_ = SquadVersion::k11;
  std::span<const int32_t> input_ids_;
  std::span<const uint8_t> token_type_ids_;
  std::span<const int32_t> length_;
  std::span<const int32_t> offsets_;
  std::span<const int32_t> example_;
  std::span<const int32_t> start_;
  std::span<const int32_t> end_;
};

}  // namespace prune2to4
