// SPDX-License-Identifier: Apache-2.0
#include "core/json_stream.h"

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

// Writes down each event and its place; refuses the text "no".
class Recorder : public JsonHandler {
 public:
  void open(const JsonPlace& place, bool is_array) override { add(place, is_array ? "[" : "{"); }
  void key(const JsonPlace& place, const std::string& key) override { add(place, key); }
  void scalar(const JsonPlace& place, Json& value) override {
    if (value == "no") place.fail("is refused");
    add(place, value.dump());
  }
  void close(const JsonPlace& place) override { add(place, "end"); }

  std::vector<std::string> events;

 private:
  void add(const JsonPlace& place, const std::string& event) {
    events.push_back(place.pointer() + " " + event);
  }
};

Error refusal(std::string_view text, const JsonSource& source) {
  Recorder recorder;
  try {
    stream_json(text, source, recorder);
  } catch (const Error& error) {
    return error;
  }
  throw std::logic_error("accepted");
}

const JsonSource kPart = {.name = "f: part",
                          .stage = "data",
                          .status = ExitStatus::kData,
                          .max_bytes = 400,
                          .mend = "write it again"};

CATCH_TEST_CASE("each value is told with its place", "[json_stream]") {
  Recorder recorder;
  stream_json(R"({"a": [1, {"b/": null}, -0], "c": "x"})", kPart, recorder);
  CATCH_CHECK(recorder.events == std::vector<std::string>{" {", "/a a", "/a [", "/a/0 1", "/a/1 {",
                                                          "/a/1/b~1 b/", "/a/1/b~1 null", "/a/1 end",
                                                          "/a/2 0", "/a end", "/c c", "/c \"x\"", " end"});
}

CATCH_TEST_CASE("refusals have the source's name, stage, status and mend", "[json_stream]") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"(["no"])", ": /0: is refused"},
      {R"({"a": 1, "a": 1})", ": /a: the key appears twice in one object"},
      {"[1e999]", ": /0: the number is too large for a double"},
      {"[1,]", ":1:4: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal"},
      {std::string(65, '['), ": brackets are nested more than 64 deep"},
      {std::string(401, ' '), ": 401 bytes are more than the 400 that a JSON file may have here"},
      {{"\xFE\xFF", 2}, ": the text is UTF-16; save it as UTF-8"},
  };
  for (const auto& [text, message] : cases) {
    const Error error = refusal(text, kPart);
    CATCH_CHECK(error.status() == ExitStatus::kData);
    CATCH_CHECK(error.what() == "[data] f: part" + message + "; write it again");
  }
}

CATCH_TEST_CASE("a long key is cut in messages", "[json_stream]") {
  const std::string text = "{\"" + std::string(300, 'k') + "\": \"no\"}";
  CATCH_CHECK(refusal(text, kPart).what() ==
              "[data] f: part: /" + std::string(200, 'k') + "...: is refused; write it again");
}

}  // namespace
}  // namespace prune2to4
