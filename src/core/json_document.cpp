// SPDX-License-Identifier: Apache-2.0
#include "core/json_document.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "core/printable.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

// Follows the parser's events, so that an error can name the JSON pointer where it happened.
class PathTracker {
 public:
  PathTracker(std::string file_name, std::string stage)
      : file_name_(std::move(file_name)), stage_(std::move(stage)) {}

  // A Json::parser_callback_t; throws Error.
  bool operator()(int /*depth*/, Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::key:
        enter_key(parsed.get_ref<const std::string&>());
        break;
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        open(event == Json::parse_event_t::array_start);
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        frames_.pop_back();
        finish_value();
        break;
      case Json::parse_event_t::value:
        check_integer(parsed);
        finish_value();
        break;
    }
    return true;
  }

  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ExitStatus::kUsage, stage_, at_json_path(file_name_, pointer(), reason));
  }

 private:
  struct Frame {
    bool is_array = false;
    size_t index = 0;  // of the element being read
    std::string key;   // of the value being read
    std::set<std::string, std::less<>> keys;
  };

  void open(bool is_array) {
    if (frames_.size() == kMaxJsonDepth) {
      throw Error(ExitStatus::kUsage, stage_,
                  file_name_ + ": brackets are nested more than " + std::to_string(kMaxJsonDepth) + " deep");
    }
    frames_.emplace_back().is_array = is_array;
  }

  void enter_key(const std::string& key) {
    Frame& frame = frames_.back();
    frame.key = key;
    if (!frame.keys.insert(key).second) fail("the key appears twice in one object; keep one of the two");
  }

  void check_integer(const Json& value) const {
    constexpr auto kLargest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (value.is_number_unsigned() && value.get<uint64_t>() > kLargest) {
      fail("the integer " + value.dump() + " is too large");
    }
  }

  void finish_value() {
    if (!frames_.empty() && frames_.back().is_array) ++frames_.back().index;
  }

  std::string pointer() const {
    std::string path;
    for (const Frame& frame : frames_) {
      path += json_pointer_token(frame.is_array ? std::to_string(frame.index) : frame.key);
    }
    return path;
  }

  std::string file_name_;
  std::string stage_;
  std::vector<Frame> frames_;
};

// "FILE:LINE:COLUMN: reason"; lines and columns count from 1, columns in code points.
std::string at_offset(const std::string& file_name, std::string_view text, size_t offset,
                      const std::string& reason) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  const std::string_view in_line = newline == before.npos ? before : before.substr(newline + 1);
  const auto starts_character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto column = 1 + std::count_if(in_line.begin(), in_line.end(), starts_character);
  return file_name + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + reason;
}

// The library's reason without its prefix and without the raw bytes it quotes, which may not be UTF-8.
std::string syntax_reason(const Json::parse_error& error) {
  std::string reason = error.what();
  if (const size_t start = reason.find("syntax error"); start != reason.npos) reason.erase(0, start);
  if (const size_t quoted = reason.find("; last read: '"); quoted != reason.npos) {
    const size_t expected = reason.rfind("; expected ");
    reason.erase(quoted, expected == reason.npos || expected < quoted ? reason.npos : expected - quoted);
  }
  return reason;
}

void check_bytes(std::string_view text, const std::string& file_name, const std::string& stage) {
  if (text.size() > kMaxJsonBytes) {
    throw Error(ExitStatus::kUsage, stage,
                file_name + ": " + std::to_string(text.size()) + " bytes are more than the " +
                    std::to_string(kMaxJsonBytes) + " that a JSON file may have here");
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw Error(ExitStatus::kUsage, stage, file_name + ": the text is UTF-16; save it as UTF-8");
  }
  // The library takes a NUL byte for the end and would ignore all behind it.
  if (const size_t nul = text.find('\0'); nul != text.npos) {
    throw Error(ExitStatus::kUsage, stage, at_offset(file_name, text, nul, "NUL byte in the text"));
  }
}

}  // namespace

std::string json_pointer_token(std::string_view key) {
  std::string token = "/";
  for (const char c : key) {
    if (c == '~') {
      token += "~0";
    } else if (c == '/') {
      token += "~1";
    } else {
      token += c;
    }
  }
  return token;
}

std::string at_json_path(const std::string& file_name, const std::string& pointer,
                         const std::string& reason) {
  return file_name + ": " + printable((pointer.empty() ? "top level" : pointer) + ": " + reason);
}

nlohmann::json parse_json(std::string_view text, const std::string& file_name, const std::string& stage) {
  check_bytes(text, file_name, stage);
  PathTracker tracker(file_name, stage);
  try {
    return Json::parse(text.begin(), text.end(),
                       [&tracker](int depth, Json::parse_event_t event, Json& parsed) {
                         return tracker(depth, event, parsed);
                       });
  } catch (const Json::parse_error& error) {
    const size_t offset = error.byte == 0 ? 0 : error.byte - 1;
    throw Error(ExitStatus::kUsage, stage, at_offset(file_name, text, offset, syntax_reason(error)));
  } catch (const Json::out_of_range&) {
    tracker.fail("the number is too large for a double");
  }
}

}  // namespace prune2to4
