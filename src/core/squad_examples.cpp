// SPDX-License-Identifier: Apache-2.0
#include "core/squad_examples.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

#include "core/json_stream.h"
#include "core/printable.h"
#include "core/squad_windows.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

struct Parts {
  uint64_t context = 0;  // index
  size_t first_answer = 0;
  size_t answers_end = 0;
};

class ExamplesReader : public JsonHandler {
 public:
  // Precondition: the arena's capacity holds all texts of the JSON text.
  explicit ExamplesReader(SquadTexts& texts) : texts_(texts) {}

  void open(const JsonPlace& place, bool is_array) override {
    if (wanted() != (is_array ? Wanted::kArray : Wanted::kObject))
      fail(place, is_array ? "an array" : "an object");
    if (state_ == State::kDocument) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      state_ = key_ == "contexts" ? State::kContexts : State::kExamples;
    } else if (state_ == State::kExamples) {
      state_ = State::kExample;
      example_seen_ = {};
      examples_.emplace_back();
      parts_.push_back({.first_answer = texts_.answers.size(), .answers_end = texts_.answers.size()});
    } else {
      state_ = State::kAnswers;
    }
  }

  void key(const JsonPlace& place, const std::string& key) override {
    key_ = key;
    const auto known = keys();
    const auto found = std::find(known.begin(), known.end(), key);
    if (found == known.end()) place.fail("the key is unknown");
    seen()[static_cast<size_t>(found - known.begin())] = true;
  }

  void scalar(const JsonPlace& place, Json& value) override {
    if (wanted() == Wanted::kIndex && value.is_number_unsigned()) {
      parts_.back().context = value.get<uint64_t>();
    } else if (wanted() == Wanted::kString && value.is_string()) {
      put(keep(value.get_ref<const std::string&>()));
    } else {
      fail(place, value.is_string() ? "a string" : value.dump());
    }
  }

  void close(const JsonPlace& place) override {
    switch (state_) {
      case State::kAnswers:
        state_ = State::kExample;
        parts_.back().answers_end = texts_.answers.size();
        break;
      case State::kExample:
        check_complete(place);
        state_ = State::kExamples;
        break;
      case State::kContexts:
      case State::kExamples:
        state_ = State::kTop;
        break;
      default:
        check_complete(place);
        state_ = State::kDocument;
    }
  }

  // The examples with their contexts and answers.
  std::vector<SquadExample> finish(const JsonSource& source) {
    for (size_t i = 0; i < examples_.size(); ++i) {
      const Parts& parts = parts_[i];
      if (parts.context >= contexts_.size()) {
        refuse_json(source, "/examples/" + std::to_string(i) + "/context",
                    std::to_string(parts.context) + " is no index into the " +
                        std::to_string(contexts_.size()) + " contexts");
      }
      examples_[i].context = contexts_[static_cast<size_t>(parts.context)];
      examples_[i].answers =
          std::span(texts_.answers).subspan(parts.first_answer, parts.answers_end - parts.first_answer);
    }
    return std::move(examples_);
  }

 private:
  enum class State { kDocument, kTop, kContexts, kExamples, kExample, kAnswers };
  enum class Wanted { kObject, kArray, kString, kIndex };

  Wanted wanted() const {
    switch (state_) {
      case State::kDocument:
      case State::kExamples:
        return Wanted::kObject;
      case State::kTop:
        return Wanted::kArray;
      case State::kExample:
        return key_ == "answers" ? Wanted::kArray : key_ == "context" ? Wanted::kIndex : Wanted::kString;
      default:
        return Wanted::kString;
    }
  }

  [[noreturn]] void fail(const JsonPlace& place, const std::string& found) const {
    constexpr std::array<const char*, 4> kNames = {"an object", "an array", "a string",
                                                   "an unsigned integer"};
    place.fail(std::string("must be ") + kNames[static_cast<size_t>(wanted())] + "; found " + found);
  }

  // Of the object being read.
  std::span<const std::string_view> keys() const {
    static constexpr std::array<std::string_view, 2> kTopKeys = {"contexts", "examples"};
    static constexpr std::array<std::string_view, 4> kExampleKeys = {"id", "question", "context", "answers"};
    if (state_ == State::kTop) return kTopKeys;
    return kExampleKeys;
  }

  std::array<bool, 4>& seen() { return state_ == State::kTop ? top_seen_ : example_seen_; }

  void check_complete(const JsonPlace& place) {
    const auto known = keys();
    for (size_t i = 0; i < known.size(); ++i) {
      if (!seen()[i]) place.fail("the key \"" + std::string(known[i]) + "\" is missing");
    }
  }

  std::string_view keep(std::string_view text) {
    const size_t begin = texts_.arena.size();
    texts_.arena.insert(texts_.arena.end(), text.begin(), text.end());
    return {texts_.arena.data() + begin, text.size()};
  }

  void put(std::string_view text) {
    if (state_ == State::kContexts) {
      contexts_.push_back(text);
    } else if (state_ == State::kAnswers) {
      texts_.answers.push_back(text);
    } else {
      (key_ == "id" ? examples_.back().id : examples_.back().question) = text;
    }
  }

  SquadTexts& texts_;
  State state_ = State::kDocument;
  std::string key_;
  std::array<bool, 4> top_seen_{};  // which of keys()
  std::array<bool, 4> example_seen_{};
  std::vector<std::string_view> contexts_;
  std::vector<SquadExample> examples_;
  std::vector<Parts> parts_;  // of each example
};

void check_ids(const std::vector<SquadExample>& examples, const JsonSource& source) {
  std::vector<size_t> order(examples.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&examples](size_t a, size_t b) {
    return std::pair(examples[a].id, a) < std::pair(examples[b].id, b);
  });
  const auto same = std::adjacent_find(order.begin(), order.end(), [&examples](size_t a, size_t b) {
    return examples[a].id == examples[b].id;
  });
  if (same == order.end()) return;
  refuse_json(source, "/examples/" + std::to_string(same[1]) + "/id",
              quoted_name(examples[*same].id) + " is the id of /examples/" + std::to_string(*same) + " too");
}

}  // namespace

std::vector<SquadExample> read_squad_examples(std::string_view json, const std::string& file_name,
                                              SquadTexts& texts) {
  const JsonSource source{.name = file_name + ": tensor \"examples\"",
                          .stage = kSquadStage,
                          .status = ExitStatus::kData,
                          .max_bytes = json.size(),
                          .mend = kSquadMend};
  // No text is longer than its JSON form, so that nothing moves later. Untouched pages cost nothing.
  texts.arena.reserve(json.size());
  ExamplesReader reader(texts);
  stream_json(json, source, reader);
  std::vector<SquadExample> examples = reader.finish(source);
  check_ids(examples, source);
  return examples;
}

}  // namespace prune2to4
