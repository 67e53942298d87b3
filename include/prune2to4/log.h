// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// Messages to stderr, in colour only on a terminal and without NO_COLOR. Hides spdlog, whose fmt must not
// meet the one that LibTorch ships. Control characters in a message come out as "?": names come from models.
namespace prune2to4::log {

enum class Level { kQuiet, kNormal, kVerbose };  // errors and warnings; and progress notes; and details

void set_level(Level level);
Level level();

void error(const std::string& message);
void warn(const std::string& message);
void info(const std::string& message);
void debug(const std::string& message);

}  // namespace prune2to4::log
