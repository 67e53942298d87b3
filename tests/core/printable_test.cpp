// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

const std::string kReplacement = "\xEF\xBF\xBD";

CATCH_TEST_CASE("valid text stays as it is") {
  for (const std::string text : {"", "bert.layer.0", "tab\tand\nline", "gr\u00fc\u00df \u4e2d \U0001F600"}) {
    CATCH_CHECK(printable(text) == text);
  }
}

CATCH_TEST_CASE("control characters become question marks") {
  CATCH_CHECK(printable("\x1b[31mred") == "?[31mred");
  CATCH_CHECK(printable(std::string("a\0b\x7f", 4)) == "a?b?");
  CATCH_CHECK(printable("\u009b31m") == "?31m");
  CATCH_CHECK(printable("a\u202eb\u2066c") == "a?b?c");
}

CATCH_TEST_CASE("bytes that are not UTF-8 become replacement characters") {
  CATCH_CHECK(printable("a\xff") == "a" + kReplacement);
  CATCH_CHECK(printable("\xc0\xaf") == kReplacement + kReplacement);                     // overlong '/'
  CATCH_CHECK(printable("\xed\xa0\x80") == kReplacement + kReplacement + kReplacement);  // surrogate
  CATCH_CHECK(printable("\xe2\x82") == kReplacement + kReplacement);                     // cut off
  CATCH_CHECK(printable("\xf4\x90\x80\x80z").ends_with("z"));                            // past U+10FFFF
  CATCH_CHECK(printable("\xf4\x90\x80\x80z").size() == 4 * kReplacement.size() + 1);
}

CATCH_TEST_CASE("any two bytes come out without control bytes, and stay so") {
  int changed_twice = 0;
  int control = 0;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string once = printable(std::string{static_cast<char>(first), static_cast<char>(second)});
      changed_twice += printable(once) != once ? 1 : 0;
      for (const char c : once) {
        const auto byte = static_cast<unsigned char>(c);
        control += (byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f ? 1 : 0;
      }
    }
  }
  CATCH_CHECK(changed_twice == 0);
  CATCH_CHECK(control == 0);
}

CATCH_TEST_CASE("the width counts code points") {
  CATCH_CHECK(display_width("") == 0);
  CATCH_CHECK(display_width("abc") == 3);
  CATCH_CHECK(display_width("gr\u00fc\u00df") == 4);
}

}  // namespace
}  // namespace prune2to4
