// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

namespace prune2to4 {

// Every PRUNE2TO4_* variable of the environment that is no command's option. What reads one names it from
// here; the command line warns of all others.
inline constexpr std::string_view kEnvironmentPrefix = "PRUNE2TO4_";
inline constexpr const char* kCacheVariable = "PRUNE2TO4_CACHE";  // folder of the kernel cache; empty: none
inline constexpr const char* kCpuVariable = "PRUNE2TO4_CPU";      // best instruction set that is used
inline constexpr const char* kRanksTimeoutVariable = "PRUNE2TO4_RANKS_TIMEOUT";  // seconds

inline constexpr std::array<const char*, 3> kEnvironmentNames{kCacheVariable, kCpuVariable,
                                                              kRanksTimeoutVariable};

// Those that the tests and the build read; the program only knows not to warn of them.
inline constexpr std::array<const char*, 4> kTestEnvironmentNames{
    "PRUNE2TO4_BUILD", "PRUNE2TO4_PYTHON", "PRUNE2TO4_TEST_DATA", "PRUNE2TO4_TEST_MODELS"};

}  // namespace prune2to4
