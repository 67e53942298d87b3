// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace prune2to4 {

// Text as Python's str sees it, by Unicode 15.0.

bool is_ascii(std::string_view text);

// As bytes.decode("utf-8", "replace"): each longest beginning of a code point that breaks off, and each other
// byte that is not UTF-8, becomes one U+FFFD (Unicode 15.0, section 3.9, "Substitution of Maximal Subparts").
std::u32string decode_utf8(std::string_view text);

// Precondition: a Unicode scalar value.
void append_utf8(std::string& text, char32_t c);

// str.lower(): the full mapping, of which only U+0130 gives more than one code point, and U+03C2 for a
// capital sigma at the end of a word (condition Final_Sigma of table 3-17 in section 3.13).
std::u32string to_lower(std::u32string_view text);

bool is_word_beyond_ascii(char32_t c);
bool is_space_beyond_ascii(char32_t c);

// \w of re: letters, numbers and the underscore; no combining marks.
inline bool is_word(char32_t c) {
  if (c >= 0x80) return is_word_beyond_ascii(c);
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || (c >= U'0' && c <= U'9') || c == U'_';
}

// What str.split() splits at: \t \n \v \f \r, the separators U+001C to U+001F, the blank, and others.
inline bool is_space(char32_t c) {
  if (c >= 0x80) return is_space_beyond_ascii(c);
  return c == U' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
}

}  // namespace prune2to4
