// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace prune2to4 {

// Valid UTF-8 without control characters other than newline and tab: a name from a model must not drive the
// terminal. A control character becomes "?", a byte that is not UTF-8 U+FFFD.
std::string printable(std::string_view text);

// The same, in double quotes.
std::string in_quotes(std::string_view text);

// A name of any length for messages: in quotes, its end cut off when it is long.
std::string quoted_name(std::string_view name);

// Number of code points; continuation bytes do not count.
size_t display_width(std::string_view text);

}  // namespace prune2to4
