// SPDX-License-Identifier: Apache-2.0
#include "commands/clock.h"

#include <ctime>

namespace prune2to4 {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc));
  return text;
}

}  // namespace prune2to4
