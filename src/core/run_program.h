// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace prune2to4 {

// What a program, found by PATH and run without a shell, writes to stdout; its stderr is dropped. None when
// it cannot be started, fails, or takes longer: then it is killed.
std::optional<std::string> run_program(const std::vector<std::string>& argv, std::chrono::milliseconds limit);

}  // namespace prune2to4
