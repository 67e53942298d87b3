// SPDX-License-Identifier: Apache-2.0
#include "core/nearest_names.h"

#include <rapidcheck.h>

#include <catch2/catch.hpp>

#include "prune2to4/layer_config.h"

namespace prune2to4 {
namespace {

using Names = std::vector<std::string>;

CATCH_TEST_CASE("edit distances count insertions, deletions and substitutions", "[nearest_names]") {
  CATCH_CHECK(edit_distance("", "") == 0);
  CATCH_CHECK(edit_distance("", "abc") == 3);
  CATCH_CHECK(edit_distance("abc", "") == 3);
  CATCH_CHECK(edit_distance("kitten", "sitting") == 3);
  CATCH_CHECK(edit_distance("weight", "wieght") == 2);
  CATCH_CHECK(edit_distance("query", "querry") == 1);
}

CATCH_TEST_CASE("edit distances are symmetric and hold the triangle inequality", "[nearest_names]") {
  CATCH_CHECK(rc::check([](const std::string& a, const std::string& b, const std::string& c) {
    RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
    RC_ASSERT(edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c));
    RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
  }));
}

CATCH_TEST_CASE("nearest names come nearest first and equal ones in the given order", "[nearest_names]") {
  const Names names = {"layer.10", "layer.1", "pooler", "layer.2", "layer.3"};
  CATCH_CHECK(nearest_names("layer.1", names) == Names{"layer.1", "layer.10", "layer.2"});
  CATCH_CHECK(nearest_names("layer.9", names, 2) == Names{"layer.1", "layer.2"});
}

CATCH_TEST_CASE("fewer names than asked for are all given", "[nearest_names]") {
  CATCH_CHECK(nearest_names("a", {"b"}) == Names{"b"});
  CATCH_CHECK(nearest_names("a", {}).empty());
  CATCH_CHECK(nearest_names("a", {"b"}, 0).empty());
}

}  // namespace
}  // namespace prune2to4
