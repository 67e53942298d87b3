// SPDX-License-Identifier: Apache-2.0
#include "core/unicode_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace prune2to4 {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kCapitalSigma = 0x03A3;
constexpr char32_t kFinalSigma = 0x03C2;
constexpr char32_t kCapitalIWithDot = 0x0130;
constexpr char32_t kCombiningDotAbove = 0x0307;

struct Range {
  char32_t first = 0;
  char32_t last = 0;
};

// What is Case_Ignorable for its Word_Break class (MidLetter, MidNumLet, Single_Quote) and not for its
// category: auxiliary/WordBreakProperty.txt of Unicode 15.0.
constexpr Range kMidWord[] = {{0x0027, 0x0027}, {0x002E, 0x002E}, {0x003A, 0x003A}, {0x00B7, 0x00B7},
                              {0x0387, 0x0387}, {0x055F, 0x055F}, {0x05F4, 0x05F4}, {0x2018, 0x2019},
                              {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52},
                              {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A}};

// Other_Lowercase and Other_Uppercase of PropList.txt, Unicode 15.0, without what is Case_Ignorable too
// (modifier letters and a mark): ordinal indicators, Roman numerals, letters in circles and squares.
constexpr Range kOtherCased[] = {{0x00AA, 0x00AA},   {0x00BA, 0x00BA},   {0x2160, 0x217F},  {0x24B6, 0x24E9},
                                 {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

template <size_t N>
bool is_in(const Range (&ranges)[N], char32_t c) {
  const Range* range =
      std::lower_bound(std::begin(ranges), std::end(ranges), c,
                       [](const Range& candidate, char32_t value) { return candidate.last < value; });
  return range != std::end(ranges) && c >= range->first;
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

// Definition D136 of Unicode 15.0, section 3.13.
bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return is_in(kMidWord, c);
  }
}

// Definition D135. Precondition: not case-ignorable.
bool is_cased(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
      return true;
    default:
      return is_in(kOtherCased, c);
  }
}

// Whether the first code point from there on that is not case-ignorable is cased.
template <typename Iterator>
bool cased_is_next(Iterator begin, Iterator end) {
  const Iterator next = std::find_if_not(begin, end, is_case_ignorable);
  return next != end && is_cased(*next);
}

// Of the capital sigma at `i`. A run of case-ignorables is read at most twice, from either end.
bool ends_word(std::u32string_view text, size_t i) {
  const std::u32string_view before = text.substr(0, i);
  const std::u32string_view after = text.substr(i + 1);
  return cased_is_next(before.rbegin(), before.rend()) && !cased_is_next(after.begin(), after.end());
}

// Takes one code point, or what is replaced by one U+FFFD, from the head of `text`.
char32_t take_code_point(std::string_view& text) {
  const auto lead = static_cast<unsigned char>(text.front());
  text.remove_prefix(1);
  if (lead < 0x80) return lead;
  if (lead < 0xC2 || lead > 0xF4) return kReplacement;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  // No overlong form, no surrogate, nothing past U+10FFFF: the second byte's limits, table 3-7 of
  // section 3.9.
  unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t value = lead & (0x3FU >> more);
  for (int i = 0; i < more; ++i) {
    if (text.empty()) return kReplacement;
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte < low || byte > high) return kReplacement;
    value = (value << 6U) | (byte & 0x3FU);
    text.remove_prefix(1);
    low = 0x80;
    high = 0xBF;
  }
  return value;
}

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  while (!text.empty()) result += take_code_point(text);
  return result;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
    return;
  }
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  text.append(bytes, bytes + length);
}

std::u32string to_lower(std::u32string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == kCapitalSigma && ends_word(text, i)) {
      result += kFinalSigma;
    } else {
      result += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
      if (c == kCapitalIWithDot) result += kCombiningDotAbove;  // SpecialCasing.txt
    }
  }
  return result;
}

bool is_word_beyond_ascii(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

// White_Space of PropList.txt beyond ASCII: the separators, and U+0085.
bool is_space_beyond_ascii(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return true;
    default:
      return c == 0x85;
  }
}

}  // namespace prune2to4
