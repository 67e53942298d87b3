// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command_line.h"
#include "prune2to4/environment_names.h"
#include "prune2to4/layer_config.h"
#include "prune2to4/log.h"

namespace prune2to4 {

void warn_of_unknown_variables(const std::array<Command*, 5>& commands) {
  std::vector<std::string> known(kEnvironmentNames.begin(), kEnvironmentNames.end());
  for (const Command* command : commands) {
    const std::vector<std::string> names = command->environment_names();
    known.insert(known.end(), names.begin(), names.end());
  }
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    if (!name.starts_with(kEnvironmentPrefix) || std::find(known.begin(), known.end(), name) != known.end() ||
        std::find(kTestEnvironmentNames.begin(), kTestEnvironmentNames.end(), name) !=
            kTestEnvironmentNames.end()) {
      continue;
    }
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    log::warn("[environment] " + name + " is set, but nothing reads it; did you mean " +
              nearest_names(upper, known, 1).front() + "?");
  }
}

}  // namespace prune2to4
