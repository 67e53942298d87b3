// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <iostream>
#include <string>

#include "model_fixture.h"
#include "pickle_writer.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

struct Crafted {
  std::string what;
  std::string expected;  // in the message
  std::vector<ZipPart> parts;
};

// data.pkl with one attribute.
std::vector<ZipPart> with_value(const PickleWriter& value) {
  const std::string pickle = value.done();
  return model_with_pickle(PickleWriter()
                               .object("__torch__", "Net")
                               .text("x")
                               .raw(pickle.substr(2, pickle.size() - 3))
                               .end_object());
}

// Record data/0 has 32 elements of float32.
std::vector<ZipPart> with_tensor(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
                                 int64_t offset = 0, int64_t elements = 32, const std::string& key = "0") {
  return with_value(PickleWriter().tensor("FloatStorage", key, elements, shape, strides, offset));
}

std::vector<ZipPart> with_extra(const std::string& name) {
  std::vector<ZipPart> parts = model_parts();
  parts.push_back({.name = "net/" + name, .data = "x"});
  return parts;
}

std::vector<Crafted> wrong_records() {
  return {{"no data.pkl", "data.pkl", without_record(model_parts(), "data.pkl")},
          {"no constants.pkl", "constants.pkl", without_record(model_parts(), "constants.pkl")},
          {"no version", "version", without_record(model_parts(), ".data/version")},
          {"no code", "checkpoint of torch.save",
           without_record(without_record(model_parts(), "code/__torch__.py"), "code/__torch__.py.debug_pkl")},
          {"the old format", "model.json", with_extra("model.json")},
          {"another byte order", "little-endian machine", with_record(model_parts(), "byteorder", "big")},
          {"a root that is no object", "does not hold what", model_with_pickle(PickleWriter().raw("N"))},
          {"constants that are no tuple", "does not hold what",
           with_record(model_parts(), "constants.pkl", PickleWriter().raw("]").done())},
          {"a cut pickle", "ends within", with_record(model_parts(), "data.pkl", "\x80\x02")},
          {"a tensor in debug information", "debug information",
           with_record(model_parts(), "code/__torch__.py.debug_pkl",
                       PickleWriter().storage("FloatStorage", "0", 32).done())}};
}

std::vector<Crafted> wrong_tensors() {
  constexpr int64_t kHuge = int64_t{1} << 62;
  return {
      {"a storage that is missing", "missing", with_tensor({4}, {1}, 0, 32, "99")},
      {"a storage that is too small", "128 bytes where its tensor claims 132", with_tensor({4}, {1}, 0, 33)},
      {"a storage that is too large", "128 bytes where its tensor claims 124", with_tensor({4}, {1}, 0, 31)},
      {"a negative number of elements", "-1 elements", with_tensor({}, {}, 0, -1)},
      {"a number of elements that overflows", "elements", with_tensor({4}, {1}, 0, kHuge)},
      {"a storage that nothing uses, too small", "claims 4000",
       with_value(PickleWriter().storage("FloatStorage", "0", 1000))},
      {"a tensor past the end", "reaches out", with_tensor({33}, {1})},
      {"a tensor past the end by its offset", "reaches out", with_tensor({4}, {1}, 29)},
      {"a tensor past the end by its strides", "reaches out", with_tensor({2, 2}, {31, 1})},
      {"a negative stride", "reaches out", with_tensor({4}, {-1}, 8)},
      {"a negative offset", "reaches out", with_tensor({4}, {1}, -1)},
      {"a negative size", "reaches out", with_tensor({-4}, {1})},
      {"fewer strides than sizes", "reaches out", with_tensor({4, 8}, {1})},
      {"sizes that overflow", "reaches out", with_tensor({kHuge, 4}, {0, 0})},
      {"strides that overflow", "reaches out", with_tensor({3}, {kHuge})},
      {"an empty tensor far outside", "reaches out", with_tensor({0}, {1}, 33)},
      {"65 dimensions", "reaches out", with_tensor(std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1))},
      {"a huge tensor by strides of 0", "strides of 0", with_tensor({int64_t{1} << 40}, {0})},
      {"a sparse tensor", "sparse layout",
       with_value(PickleWriter().global("torch._utils", "_rebuild_sparse_tensor"))}};
}

std::vector<Crafted> untrusted() {
  return {{"__setstate__", "\"__setstate__\"",
           model_with_code("class Net(Module):\n  def __setstate__(self, x: Tensor):\n")},
          {"aten::save", "\"torch.save\"", model_with_code("torch.save(x, \"f\")")},
          {"a foreign operator", "ops.image.read_file", model_with_code("x = ops.image.read_file(\"f\")")},
          {"a foreign class in code", "classes.image.Handle",
           model_with_code("h : __torch__.torch.classes.image.Handle")},
          {"a foreign class in data.pkl", "classes.image.Handle",
           with_value(PickleWriter().object("__torch__.torch.classes.image", "Handle").end_object())},
          {"a foreign class by a split name", "classes.image.Handle",
           with_value(PickleWriter().object("__torch__.torch", "classes.image.Handle").end_object())},
          {"a foreign class as a type's name", "classes.image.Handle",
           with_value(PickleWriter()
                          .global("torch.jit._pickle", "restore_type_tag")
                          .raw("]")
                          .text("__torch__.torch.classes.image.Handle")
                          .raw("\x86R"))}};
}

CATCH_TEST_CASE("a model as torch.jit.save writes it passes the gate") {
  CATCH_CHECK(gate_message(build_zip(model_parts())) == "");
  CATCH_CHECK(gate_message(build_zip(with_tensor({4}, {0}))) == "");
  CATCH_CHECK(gate_message(build_zip(with_tensor({0, 5}, {5, 1}, 0, 0, "no record needed"))) == "");
  CATCH_CHECK(gate_message(build_zip(with_tensor({5, 4}, {1, 7}))) == "");
  CATCH_CHECK(gate_message(build_zip(without_record(model_parts(), "byteorder"))) == "");
  auto renamed = model_parts();
  for (ZipPart& part : renamed) part.name = part.name == "net/.data/version" ? "net/version" : part.name;
  CATCH_CHECK(gate_message(build_zip(renamed)) == "");
}

CATCH_TEST_CASE("crafted models are refused with the reason") {
  size_t count = 0;
  for (const auto& group : {wrong_records(), wrong_tensors()}) {
    for (const auto& [what, expected, parts] : group) {
      CATCH_INFO(what);
      CATCH_CHECK_THAT(gate_message(build_zip(parts)), Catch::Contains(expected));
      CATCH_CHECK_THAT(gate_message(build_zip(parts), true), Catch::Contains(expected));
      ++count;
    }
  }
  std::cout << "crafted models refused, trusted or not: " << count << "\n";
}

CATCH_TEST_CASE("code that reaches outside is refused unless the model is trusted") {
  size_t count = 0;
  for (const auto& [what, expected, parts] : untrusted()) {
    CATCH_INFO(what);
    CATCH_CHECK_THAT(gate_message(build_zip(parts)),
                     Catch::Contains(expected) && Catch::Contains("--trust-model"));
    CATCH_CHECK(gate_message(build_zip(parts), true) == "");
    ++count;
  }
  std::cout << "untrusted models refused, taken with --trust-model: " << count << "\n";
}

CATCH_TEST_CASE("a finding in code names record and line") {
  CATCH_CHECK_THAT(gate_message(build_zip(model_with_code("x = 1\ny = torch.save(x, \"f\")"))),
                   Catch::Contains("record \"code/__torch__.py\" line 2: \"torch.save\""));
}

}  // namespace
}  // namespace prune2to4
