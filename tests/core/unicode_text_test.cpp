// SPDX-License-Identifier: Apache-2.0
#include "core/unicode_text.h"

#include <catch2/catch.hpp>
#include <string>

namespace prune2to4 {
namespace {

using namespace std::string_literals;

std::string encode(std::u32string_view text) {
  std::string result;
  for (const char32_t c : text) append_utf8(result, c);
  return result;
}

CATCH_TEST_CASE("UTF-8 of every length reads back as it was written", "[unicode_text]") {
  const std::u32string ends = {0x00,   0x7F,   0x80,   0x7FF,   0x800,   0xFFF,   0x1000,
                               0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x3FFFF, 0x40000, 0x10FFFF};
  CATCH_CHECK(encode(std::u32string_view(ends).substr(2, 4)) == "\xC2\x80\xDF\xBF\xE0\xA0\x80\xE0\xBF\xBF");
  CATCH_CHECK(encode(ends).size() == 2 + 2 * 2 + 6 * 3 + 4 * 4);
  CATCH_CHECK(decode_utf8(encode(ends)) == ends);
  CATCH_CHECK(decode_utf8("").empty());
}

// The example of Unicode 15.0, section 3.9, table 3-11, and what Python gives for the others.
CATCH_TEST_CASE("each broken-off beginning becomes one replacement character", "[unicode_text]") {
  CATCH_CHECK(decode_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == U"\uFFFD\uFFFD\uFFFD\uFFFDA");
  CATCH_CHECK(decode_utf8("\xF0\x9F\x98") == U"\uFFFD");
  CATCH_CHECK(decode_utf8("\xE2\x82 ") == U"\uFFFD ");
  CATCH_CHECK(decode_utf8("\xC3\xC3\xA9") == U"\uFFFD\u00E9");
}

CATCH_TEST_CASE("overlong forms, surrogates and what lies past the end count byte by byte",
                "[unicode_text]") {
  CATCH_CHECK(decode_utf8("\xC0\xAF") == U"\uFFFD\uFFFD");
  CATCH_CHECK(decode_utf8("\xE0\x9F\xBF") == U"\uFFFD\uFFFD\uFFFD");
  CATCH_CHECK(decode_utf8("\xED\xA0\x80") == U"\uFFFD\uFFFD\uFFFD");
  CATCH_CHECK(decode_utf8("\xF0\x8F\xBF\xBF") == U"\uFFFD\uFFFD\uFFFD\uFFFD");
  CATCH_CHECK(decode_utf8("\xF4\x90\x80\x80") == U"\uFFFD\uFFFD\uFFFD\uFFFD");
  CATCH_CHECK(decode_utf8("\xF5\x80\xFF") == U"\uFFFD\uFFFD\uFFFD");
}

CATCH_TEST_CASE("ASCII ends at U+007F", "[unicode_text]") {
  CATCH_CHECK(is_ascii(""));
  CATCH_CHECK(is_ascii(std::string_view("a\0\x7F", 3)));
  CATCH_CHECK_FALSE(is_ascii("ab\xC2\x80"));
}

CATCH_TEST_CASE("capitals of every script become small ones", "[unicode_text]") {
  CATCH_CHECK(to_lower(U"ABZ[\u00C9\u0416\u01C4\u01C5\u212A\u212B\u1E9E\u13A0\U00010400") ==
              U"abz[\u00E9\u0436\u01C6\u01C6k\u00E5\u00DF\uAB70\U00010428");
  CATCH_CHECK(to_lower(U"\u0131\u00DF\u6F22\u2167\u24B6") == U"\u0131\u00DF\u6F22\u2177\u24D0");
}

CATCH_TEST_CASE("a capital I with a dot becomes two code points", "[unicode_text]") {
  CATCH_CHECK(to_lower(U"\u0130\u0130stanbul") == U"i\u0307i\u0307stanbul");
}

CATCH_TEST_CASE("a capital sigma is final after a cased character and before none", "[unicode_text]") {
  CATCH_CHECK(to_lower(U"\u039F\u0394\u039F\u03A3") == U"\u03BF\u03B4\u03BF\u03C2");
  CATCH_CHECK(to_lower(U"A\u03A3 A\u03A3B A\u03A3\u6F22") == U"a\u03C2 a\u03C3b a\u03C2\u6F22");
  CATCH_CHECK(to_lower(U"\u03A3") == U"\u03C3");
  CATCH_CHECK(to_lower(U"1\u03A3 \u6F22\u03A3") == U"1\u03C3 \u6F22\u03C3");
  CATCH_CHECK(to_lower(U"\u03A3\u03A3\u03A3") == U"\u03C3\u03C3\u03C2");
  CATCH_CHECK(to_lower(U"A\u03C3\u03A3") == U"a\u03C3\u03C2");
}

CATCH_TEST_CASE("what is case-ignorable neither makes a sigma final nor keeps it from it", "[unicode_text]") {
  // A mark, an enclosing mark, a soft hyphen, a modifier letter (cased itself), a modifier symbol; and
  // MidLetter, MidNumLet, Single_Quote.
  const std::u32string ignorables =
      U"\u0301\u20DD\u00AD\u02B0^:\u00B7\u0387\u055F\u05F4\u2027\uFE13\uFE55\uFF1A.\u2018\u2019\u2024\uFE52"
      U"\uFF07\uFF0E'";
  for (const char32_t c : ignorables) {
    CATCH_INFO("U+" << std::hex << static_cast<uint32_t>(c));
    const std::u32string one(1, c);
    CATCH_CHECK(to_lower(U"A" + one + U"\u03A3") == U"a" + one + U"\u03C2");
    CATCH_CHECK(to_lower(U"A\u03A3" + one) == U"a\u03C2" + one);
    CATCH_CHECK(to_lower(U"A\u03A3" + one + U"b") == U"a\u03C3" + one + U"b");
    CATCH_CHECK(to_lower(one + U"\u03A3") == one + U"\u03C3");
  }
  CATCH_CHECK(to_lower(U"A" + ignorables + U"\u03A3" + ignorables) ==
              U"a" + ignorables + U"\u03C2" + ignorables);
}

CATCH_TEST_CASE("cased are also ordinals, Roman numerals and letters in circles and squares",
                "[unicode_text]") {
  for (const char32_t c :
       U"\u00AA\u00BA\u2160\u217F\u24B6\u24E9\U0001F130\U0001F149\U0001F150\U0001F169"
       U"\U0001F170\U0001F189"s) {
    CATCH_INFO("U+" << std::hex << static_cast<uint32_t>(c));
    CATCH_CHECK(to_lower(std::u32string{c, 0x03A3}).back() == 0x03C2);
  }
  for (const char32_t c :
       U"\u00AB\u215F\u2180\u24B5\u24EA\U0001F12F\U0001F14A\U0001F16A\U0001F18A-+1\u0903"s) {
    CATCH_INFO("U+" << std::hex << static_cast<uint32_t>(c));
    CATCH_CHECK(to_lower(std::u32string{c, 0x03A3}).back() == 0x03C3);
  }
}

CATCH_TEST_CASE("word characters are letters, numbers and the underscore", "[unicode_text]") {
  for (const char32_t c :
       U"azAZ09_\u00AA\u00E9\u02B0\u0416\u0E01\u6F22\u3007\u0663\u00BD\u2167\u2460\U0001D7D8"
       U"\U0001E030"s) {
    CATCH_INFO("U+" << std::hex << static_cast<uint32_t>(c));
    CATCH_CHECK(is_word(c));
  }
  for (const char32_t c : U"@[`{/:-\u00A0\u0301\u0903\u200D\u203F\uFF3F\u24B6\u20AC\uE000\uFFFD\U0001F600"s) {
    CATCH_INFO("U+" << std::hex << static_cast<uint32_t>(c));
    CATCH_CHECK_FALSE(is_word(c));
  }
}

CATCH_TEST_CASE("white space is Python's: the ASCII separators too, nothing of zero width",
                "[unicode_text]") {
  std::u32string spaces;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (is_space(c)) spaces += c;
  }
  CATCH_CHECK(spaces ==
              U"\t\n\v\f\r\x1C\x1D\x1E\x1F \x85\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
              U"\u2007\u2008\u2009\u200A\u2028\u2029\u202F\u205F\u3000");
}

}  // namespace
}  // namespace prune2to4
