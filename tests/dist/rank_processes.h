// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace prune2to4 {

struct RankResult {
  int status = 0;    // exit status; 128 + signal when killed by one
  std::string text;  // stdout and stderr
};

uint16_t free_port();

// Runs the hidden test case `name` of this program in `size` processes at once, with torchrun's variables and
// those of `environment`; by rank, what came of it.
std::vector<RankResult> run_ranks(int size, const std::string& name,
                                  const std::map<std::string, std::string>& environment = {});

}  // namespace prune2to4
