// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace prune2to4 {

struct HostileFile {
  std::string bytes;
  std::string message;  // how the refusal goes on behind "[data] FILE: "
};

// Files with one thing wrong in them each.
std::vector<HostileFile> hostile_squad_files();

}  // namespace prune2to4
