// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/traced_inputs.h"

#include <catch2/catch.hpp>

#include "model_fixture.h"
#include "pickle_writer.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

std::vector<std::optional<ExampleTensor>> examples(const std::vector<ZipPart>& parts) {
  const TemporaryFile file(build_zip(parts));
  return traced_inputs(Archive::read(file.path()));
}

std::vector<ZipPart> traced(const std::string& pickle) {
  std::vector<ZipPart> parts = model_parts();
  parts.push_back({.name = "net/traced_inputs.pkl", .data = pickle});
  return parts;
}

}  // namespace

CATCH_TEST_CASE("types and shapes of the tensors that a model was traced with") {
  PickleWriter w;
  w.raw("}(").text("forward").raw("](");
  w.tensor("LongStorage", "0", 24, {2, 12}, {12, 1}).integer(3);
  w.tensor("HalfStorage", "1", 3, {3}, {1}).raw("eu");
  const auto found = examples(traced(w.done()));
  CATCH_REQUIRE(found.size() == 3);
  CATCH_CHECK(found[0]->dtype == "int64");
  CATCH_CHECK(found[0]->shape == std::vector<int64_t>{2, 12});
  CATCH_CHECK_FALSE(found[1].has_value());
  CATCH_CHECK(found[2]->dtype == "float16");
}

CATCH_TEST_CASE("a model without examples, or with a malformed record of them, has none") {
  CATCH_CHECK(examples(model_parts()).empty());
  CATCH_CHECK(examples(traced("\x80\x02junk.")).empty());
  PickleWriter other;
  other.raw("}(").text("encode").raw("](").integer(1).raw("eu");
  CATCH_CHECK(examples(traced(other.done())).empty());
  PickleWriter list;
  CATCH_CHECK(examples(traced(list.raw("](").integer(1).raw("e").done())).empty());
  PickleWriter huge;
  huge.raw("}(").text("forward").raw("](");
  huge.tensor("LongStorage", "0", 1, {int64_t{1} << 40, int64_t{1} << 40}, {1, 1});
  const auto found = examples(traced(huge.raw("eu").done()));
  CATCH_REQUIRE(found.size() == 1);
  CATCH_CHECK_FALSE(found[0].has_value());
}

}  // namespace prune2to4
