// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_document.h"
#include "prune2to4/error.h"

namespace prune2to4 {

// What a JSON text is, and what the messages about it say.
struct JsonSource {
  std::string name;  // begins each message; printable: a file's name, or that and a part of the file
  std::string stage;
  ExitStatus status = ExitStatus::kUsage;
  size_t max_bytes = kMaxJsonBytes;
  std::string mend = {};  // ends each message; empty for a text that people write
};

// Throws Error: "NAME: /json/pointer: reason; mend".
[[noreturn]] void refuse_json(const JsonSource& source, const std::string& pointer,
                              const std::string& reason);

// Where in a document its reader is.
class JsonPlace {
 public:
  explicit JsonPlace(const JsonSource& source) : source_(source) {}

  [[noreturn]] void fail(const std::string& reason) const { refuse_json(source_, pointer(), reason); }
  std::string pointer() const;

  // The reader's part: they keep the place up to date, and refuse depth and keys given twice.
  void enter(bool is_array);
  void enter_key(std::string_view key);
  void leave() { frames_.pop_back(); }
  void finish_value();
  const JsonSource& source() const { return source_; }

 private:
  struct Frame {
    bool is_array = false;
    size_t index = 0;  // of the element being read
    std::string key;   // of the value being read
    std::set<std::string, std::less<>> keys;
  };

  const JsonSource& source_;
  std::vector<Frame> frames_;
};

// Receives a document's values in order; `place` is that of the value. What it throws ends the reading.
class JsonHandler {
 public:
  virtual ~JsonHandler() = default;
  virtual void open(const JsonPlace& place, bool is_array) = 0;
  virtual void key(const JsonPlace& place, const std::string& key) = 0;  // place: that of its value
  // A string, number, boolean or null; may be moved from.
  virtual void scalar(const JsonPlace& place, nlohmann::json& value) = 0;
  virtual void close(const JsonPlace& place) = 0;  // the innermost open object or array
};

// Reads UTF-8 JSON text, as strict as parse_json() says, without keeping it.
void stream_json(std::string_view text, const JsonSource& source, JsonHandler& handler);

}  // namespace prune2to4
