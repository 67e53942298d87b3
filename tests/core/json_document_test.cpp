// SPDX-License-Identifier: Apache-2.0
#include "core/json_document.h"

#include <catch2/catch.hpp>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

std::string refusal(std::string_view text) {
  try {
    parse_json(text, "f.json", "layers");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
  return "accepted";
}

std::string nested(size_t depth, bool closed) {
  return std::string(depth, '[') + (closed ? std::string(depth, ']') : "");
}

CATCH_TEST_CASE("JSON text becomes its document", "[json_document]") {
  const auto document = parse_json(
      R"({"a": [1, -2.5, true, null, "\u00e9"], "b": {"a": 9223372036854775807}})", "f.json", "layers");
  CATCH_CHECK(document["a"] == nlohmann::json::array({1, -2.5, true, nullptr, "\xC3\xA9"}));
  CATCH_CHECK(document["b"]["a"] == 9223372036854775807);
}

CATCH_TEST_CASE("a UTF-8 byte order mark is skipped", "[json_document]") {
  CATCH_CHECK(parse_json("\xEF\xBB\xBF[1]", "f.json", "layers") == nlohmann::json::array({1}));
}

CATCH_TEST_CASE("one key in two objects is no duplicate", "[json_document]") {
  CATCH_CHECK(refusal(R"([{"a": 1}, {"a": {"a": 2}}])") == "accepted");
}

CATCH_TEST_CASE("a duplicate key is refused with its JSON pointer", "[json_document]") {
  CATCH_CHECK(refusal(R"({"a": 1, "a": 1})") ==
              "[layers] f.json: /a: the key appears twice in one object; keep one of the two");
  CATCH_CHECK(refusal(R"({"x": [0, [], {"p": {"q": 1}, "b/~": {}, "b/~": {}}]})") ==
              "[layers] f.json: /x/2/b~1~0: the key appears twice in one object; keep one of the two");
}

CATCH_TEST_CASE("syntax errors carry line and column", "[json_document]") {
  CATCH_CHECK(refusal("") ==
              "[layers] f.json:1:1: syntax error while parsing value - unexpected end of input; "
              "expected '[', '{', or a literal");
  CATCH_CHECK(refusal("{\n  \"a\": 1,\n}") ==
              "[layers] f.json:3:1: syntax error while parsing object key - unexpected '}'; "
              "expected string literal");
  CATCH_CHECK(
      refusal("[\"\xC3\xA9\xC3\xA9\" 1]") ==
      "[layers] f.json:1:7: syntax error while parsing array - unexpected number literal; expected ']'");
}

CATCH_TEST_CASE("what JSON does not know is refused", "[json_document]") {
  for (const char* text : {"NaN", "[Infinity]", "[-Infinity]", "{a: 1}", "['a']", "[1] // end", "/**/[]",
                           "[1,]", "[01]", "[.5]", "[1] 2", "\"\t\"", "[\"\\x41\"]", "[\"\\ud800\"]"}) {
    CATCH_CAPTURE(text);
    CATCH_CHECK_THAT(refusal(text), Catch::Contains("syntax error"));
  }
}

CATCH_TEST_CASE("bytes that are not UTF-8 are refused without being repeated", "[json_document]") {
  CATCH_CHECK(refusal("{\n\"a\xFF\": 1}") ==
              "[layers] f.json:2:3: syntax error while parsing object key - invalid string: "
              "ill-formed UTF-8 byte; expected string literal");
  CATCH_CHECK_THAT(refusal(std::string_view("\xFF\xFE{\0}\0", 6)), Catch::Contains("save it as UTF-8"));
}

CATCH_TEST_CASE("a NUL byte does not end the text in silence", "[json_document]") {
  CATCH_CHECK(refusal(std::string_view("[1]\n\0x", 6)) == "[layers] f.json:2:1: NUL byte in the text");
}

CATCH_TEST_CASE("numbers that fit no double or 64-bit integer are refused with their place",
                "[json_document]") {
  CATCH_CHECK(refusal(R"({"a": [0, 1e999]})") ==
              "[layers] f.json: /a/1: the number is too large for a double");
  CATCH_CHECK(refusal("[-1e999]") == "[layers] f.json: /0: the number is too large for a double");
  CATCH_CHECK(refusal(R"({"a": 9223372036854775808})") ==
              "[layers] f.json: /a: the integer 9223372036854775808 is too large");
}

CATCH_TEST_CASE("nesting is bounded", "[json_document]") {
  CATCH_CHECK(refusal(nested(kMaxJsonDepth, true)) == "accepted");
  CATCH_CHECK(refusal(nested(kMaxJsonDepth + 1, true)) ==
              "[layers] f.json: brackets are nested more than 64 deep");
  CATCH_CHECK(refusal(nested(100'000, false)) == "[layers] f.json: brackets are nested more than 64 deep");
}

CATCH_TEST_CASE("the size of the text is bounded", "[json_document]") {
  std::string text = "[]";
  text.resize(kMaxJsonBytes, ' ');
  CATCH_CHECK(refusal(text) == "accepted");
  text += ' ';
  CATCH_CHECK_THAT(refusal(text), Catch::Contains("1048577 bytes are more than the 1048576"));
}

CATCH_TEST_CASE("JSON pointer tokens escape tilde and slash", "[json_document]") {
  CATCH_CHECK(json_pointer_token("a/b~c") == "/a~1b~0c");
  CATCH_CHECK(json_pointer_token("") == "/");
}

CATCH_TEST_CASE("control characters of a key do not reach the terminal", "[json_document]") {
  CATCH_CHECK(refusal(R"({"\u001b[2J": 1, "\u001b[2J": 1})") ==
              "[layers] f.json: /?[2J: the key appears twice in one object; keep one of the two");
}

}  // namespace
}  // namespace prune2to4
