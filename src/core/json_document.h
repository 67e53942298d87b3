// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace prune2to4 {

inline constexpr size_t kMaxJsonBytes = size_t{1} << 20;
inline constexpr size_t kMaxJsonDepth = 64;

// Parses UTF-8 JSON text (a byte order mark is skipped), stricter than the library does: refused are
// duplicate keys, NUL bytes, integers beyond 64 bits signed, numbers beyond a double, more than
// kMaxJsonBytes, and nesting deeper than kMaxJsonDepth. Throws Error(kUsage, stage): "FILE:LINE:COLUMN:
// reason", or "FILE: /json/pointer: reason".
nlohmann::json parse_json(std::string_view text, const std::string& file_name, const std::string& stage);

// One reference token of a JSON pointer (RFC 6901), with its slash: "a/b" becomes "/a~1b".
std::string json_pointer_token(std::string_view key);

// "FILE: /json/pointer: reason"; the whole document reads "FILE: top level: reason".
std::string at_json_path(const std::string& file_name, const std::string& pointer, const std::string& reason);

}  // namespace prune2to4
