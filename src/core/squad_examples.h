// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// What the views of examples point to. Neither grows any more, and moving the whole keeps them valid.
struct SquadTexts {
  std::vector<char> arena;                // all texts, one behind the other
  std::vector<std::string_view> answers;  // of all examples, in their order
};

// Reads the JSON text of the tensor "examples" without a document in between: the arena is at most as large
// as the text. Throws Error(kData): each key known and there, strings valid UTF-8, contexts in range, ids
// without duplicates. `file_name` is printable.
std::vector<SquadExample> read_squad_examples(std::string_view json, const std::string& file_name,
                                              SquadTexts& texts);

}  // namespace prune2to4
