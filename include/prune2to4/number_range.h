// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>
#include <string>

namespace prune2to4 {

// The numbers that a setting may have. Infinity and NaN are none.
struct NumberRange {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool whole = false;
  bool above_least = false;  // `least` itself is refused
  bool below_most = false;

  bool allows(double value) const;
  // "a whole number of 1 or more", "a number from 0 to 100", "a number above 0"
  std::string text() const;
  // Whether the whole of `text` is such a number, in decimal.
  bool allows_text(const std::string& text) const;
};

}  // namespace prune2to4
