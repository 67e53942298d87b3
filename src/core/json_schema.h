// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace prune2to4 {

// Checks a document against a JSON Schema (draft 7), or against `definition` of its "definitions" when not
// empty: choosing the branch first gives better messages than a "oneOf" can.
// Throws Error(kUsage, stage) "FILE: /json/pointer: reason" for the deepest violation; the reason lists the
// keys or values allowed there.
void validate_json(const nlohmann::json& document, std::string_view schema, const std::string& definition,
                   const std::string& file_name, const std::string& stage);

}  // namespace prune2to4
