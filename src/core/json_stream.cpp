// SPDX-License-Identifier: Apache-2.0
#include "core/json_stream.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "core/printable.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const JsonSource& source, const std::string& what) {
  throw Error(source.status, source.stage,
              source.name + what + (source.mend.empty() ? "" : "; ") + source.mend);
}

// "NAME:LINE:COLUMN: reason"; lines and columns count from 1, columns in code points.
[[noreturn]] void refuse_at_offset(const JsonSource& source, std::string_view text, size_t offset,
                                   const std::string& reason) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const std::string_view in_line = newline == before.npos ? before : before.substr(newline + 1);
  const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto column = 1 + std::count_if(in_line.begin(), in_line.end(), starts_character);
  refuse(source, ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + reason);
}

// The library's reason without its prefix and without the raw bytes it quotes, which may not be UTF-8.
std::string syntax_reason(const std::string& message) {
  std::string reason = message;
  if (const size_t start = reason.find("syntax error"); start != reason.npos) reason.erase(0, start);
  if (const size_t quoted = reason.find("; last read: '"); quoted != reason.npos) {
    const size_t expected = reason.rfind("; expected ");
    reason.erase(quoted, expected == reason.npos || expected < quoted ? reason.npos : expected - quoted);
  }
  return reason;
}

void check_bytes(std::string_view text, const JsonSource& source) {
  if (text.size() > source.max_bytes) {
    refuse(source, ": " + std::to_string(text.size()) + " bytes are more than the " +
                       std::to_string(source.max_bytes) + " that a JSON file may have here");
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    refuse(source, ": the text is UTF-16; save it as UTF-8");
  }
  // The library takes a NUL byte for the end and would ignore all behind it.
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    refuse_at_offset(source, text, nul, "NUL byte in the text");
  }
}

// The library's events, checked and handed on. Each returns whether to go on.
class StrictEvents : public nlohmann::json_sax<Json> {
 public:
  StrictEvents(std::string_view text, const JsonSource& source, JsonHandler& handler)
      : text_(text), place_(source), handler_(handler) {}

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kLargest = static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max());
    if (value > kLargest) place_.fail("the integer " + std::to_string(value) + " is too large");
    return scalar(value);
  }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return scalar(value); }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }  // JSON text has none

  bool start_object(size_t /*size*/) override { return open(false); }
  bool start_array(size_t /*size*/) override { return open(true); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    place_.enter_key(key);
    handler_.key(place_, key);
    return true;
  }

  bool parse_error(size_t position, const std::string& /*token*/, const Json::exception& error) override {
    if (dynamic_cast<const Json::out_of_range*>(&error) != nullptr) {
      place_.fail("the number is too large for a double");
    }
    refuse_at_offset(place_.source(), text_, position == 0 ? 0 : position - 1, syntax_reason(error.what()));
  }

 private:
  bool scalar(Json value) {
    handler_.scalar(place_, value);
    place_.finish_value();
    return true;
  }

  bool open(bool is_array) {
    handler_.open(place_, is_array);
    place_.enter(is_array);
    return true;
  }

  bool close() {
    place_.leave();
    handler_.close(place_);
    place_.finish_value();
    return true;
  }

  std::string_view text_;
  JsonPlace place_;
  JsonHandler& handler_;
};

}  // namespace

void refuse_json(const JsonSource& source, const std::string& pointer, const std::string& reason) {
  const std::string mend = source.mend.empty() ? "" : "; " + source.mend;
  throw Error(source.status, source.stage, at_json_path(source.name, pointer, reason + mend));
}

std::string JsonPlace::pointer() const {
  constexpr size_t kShown = 200;  // of a key, bytes; printable() mends a character cut in two
  std::string path;
  for (const Frame& frame : frames_) {
    const bool cut = frame.key.size() > kShown;
    path += json_pointer_token(frame.is_array ? std::to_string(frame.index)
                                              : frame.key.substr(0, kShown) + (cut ? "..." : ""));
  }
  return path;
}

void JsonPlace::enter(bool is_array) {
  if (frames_.size() == kMaxJsonDepth) {
    refuse(source_, ": brackets are nested more than " + std::to_string(kMaxJsonDepth) + " deep");
  }
  frames_.emplace_back().is_array = is_array;
}

void JsonPlace::enter_key(std::string_view key) {
  Frame& frame = frames_.back();
  frame.key = key;
  if (frame.keys.emplace(key).second) return;
  fail(std::string("the key appears twice in one object") +
       (source_.mend.empty() ? "; keep one of the two" : ""));
}

void JsonPlace::finish_value() {
  if (!frames_.empty() && frames_.back().is_array) ++frames_.back().index;
}

void stream_json(std::string_view text, const JsonSource& source, JsonHandler& handler) {
  check_bytes(text, source);
  StrictEvents events(text, source, handler);
  Json::sax_parse(text.begin(), text.end(), &events);
}

}  // namespace prune2to4
