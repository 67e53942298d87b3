// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "prune2to4/error.h"

namespace prune2to4 {

// `check` refuses `good` with an unknown key, or without any one key, at each of `places` (JSON pointers),
// and with another version or kind.
template <typename Check>
void check_is_strict(const nlohmann::json& good, const std::vector<std::string>& places, const Check& check) {
  for (const std::string& place : places) {
    const nlohmann::json::json_pointer pointer(place);
    nlohmann::json extra = good;
    extra[pointer]["unknown"] = 1;
    CATCH_CHECK_THROWS_AS(check(extra), Error);
    for (const auto& [key, value] : good.at(pointer).items()) {
      CATCH_CAPTURE(place, key);
      nlohmann::json lacking = good;
      lacking[pointer].erase(key);
      CATCH_CHECK_THROWS_AS(check(lacking), Error);
    }
  }
  for (const char* key : {"version", "kind"}) {
    nlohmann::json other = good;
    other[key] = "other";
    CATCH_CHECK_THROWS_AS(check(other), Error);
  }
}

}  // namespace prune2to4
