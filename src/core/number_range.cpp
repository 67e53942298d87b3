// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/number_range.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

#include "prune2to4/table.h"

namespace prune2to4 {

bool NumberRange::allows(double value) const {
  const bool low = above_least ? value > least : value >= least;
  const bool high = below_most ? value < most : value <= most;
  return std::isfinite(value) && low && high;
}

std::string NumberRange::text() const {
  const auto number = [](double value) { return format_number(value, 15); };
  const std::string kind = whole ? "a whole number" : "a number";
  const bool bounded_below = std::isfinite(least);
  const bool bounded_above = std::isfinite(most);
  if (bounded_below && bounded_above && !above_least && !below_most) {
    return kind + " from " + number(least) + " to " + number(most);
  }
  std::string text = kind;
  if (bounded_below) text += above_least ? " above " + number(least) : " of " + number(least) + " or more";
  if (bounded_below && bounded_above) text += ",";
  if (bounded_above) text += (below_most ? " below " : " at most ") + number(most);
  return text;
}

bool NumberRange::allows_text(const std::string& text) const {
  const char* const end = text.data() + text.size();
  if (whole) {
    int64_t value = 0;
    const auto read = std::from_chars(text.data(), end, value);
    return read.ec == std::errc() && read.ptr == end && allows(static_cast<double>(value));
  }
  double value = 0;
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc() && read.ptr == end && allows(value);
}

}  // namespace prune2to4
