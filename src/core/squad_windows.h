// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

inline constexpr const char* kSquadStage = "data";
inline constexpr const char* kSquadMend = "write the file again with scripts/tokenize_squad.py";

// Throws Error(kData): "[data] FILE: WHAT; mend".
[[noreturn]] void refuse_squad(const std::string& file_name, const std::string& what,
                               const std::string& mend = kSquadMend);

// tensor "length" row 3
std::string squad_row(const char* tensor, size_t row);
// tensor "input_ids" row 3 token 17
std::string squad_token(const char* tensor, size_t row, size_t token);

// The tensors as tokenized_squad.h has them, dtypes and shapes checked.
struct SquadWindows {
  size_t count = 0;  // F
  size_t width = 0;  // L
  std::span<const int32_t> input_ids;
  std::span<const int32_t> length;
  std::span<const int32_t> offsets;
  std::span<const int32_t> example;
  std::span<const int32_t> start;  // empty without labels
  std::span<const int32_t> end;
};

// Checks each value. Throws Error(kData) naming tensor, row and value; `file_name` is printable.
void check_squad_windows(const SquadWindows& windows, const std::vector<SquadExample>& examples,
                         const std::string& file_name);

}  // namespace prune2to4
