// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace prune2to4 {

struct ScriptToken {
  enum class Kind { kName, kString, kNumber, kOther, kBad } kind = Kind::kOther;
  std::string text;  // kString: its value, adjacent literals joined, escapes resolved
  size_t line = 1;
};

// Splits TorchScript source where LibTorch's lexer (torch/csrc/jit/frontend/lexer.h) does, as far as names,
// dots, numbers ("2." owns its dot) and strings go. Other tokens come as single characters, save "...".
// Newlines and indentation are dropped, comments too, but for "# type:" ones, which are code. An unterminated
// string gives a kBad token, the last.
std::vector<ScriptToken> script_tokens(std::string_view source);

}  // namespace prune2to4
