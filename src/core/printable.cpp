// SPDX-License-Identifier: Apache-2.0
#include "core/printable.h"

#include <algorithm>
#include <cstdint>

namespace prune2to4 {
namespace {

// A code point at the head of `text`, length 0 when the bytes there are not UTF-8 (RFC 3629: no overlong
// form, no surrogate, nothing past U+10FFFF).
struct CodePoint {
  uint32_t value = 0;
  size_t length = 0;
};

CodePoint decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  uint32_t value = first & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (overlong || surrogate || value > 0x10FFFF) return {};
  return {value, length};
}

// C0 but newline and tab, DEL, C1, and the marks that reorder text (a name could read as another one).
bool is_control(uint32_t value) {
  if (value == '\n' || value == '\t') return false;
  return value < 0x20 || (value >= 0x7F && value <= 0x9F) || (value >= 0x202A && value <= 0x202E) ||
         (value >= 0x2066 && value <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.length == 0) {
      result += "\xEF\xBF\xBD";
    } else if (is_control(point.value)) {
      result += '?';
    } else {
      result += text.substr(0, point.length);
    }
    text.remove_prefix(std::max<size_t>(point.length, 1));
  }
  return result;
}

std::string in_quotes(std::string_view text) { return '"' + printable(text) + '"'; }

std::string quoted_name(std::string_view name) {
  constexpr size_t kShown = 200;  // bytes; printable() mends a character cut in two
  return '"' + printable(name.substr(0, kShown)) + (name.size() > kShown ? "...\"" : "\"");
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace prune2to4
