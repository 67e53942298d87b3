// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/model_contents.h"

#include <catch2/catch.hpp>
#include <string>

#include "model_fixture.h"
#include "pickle_writer.h"
#include "prune2to4/error.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

ModelContents contents(const std::vector<ZipPart>& parts) {
  const TemporaryFile file(build_zip(parts));
  return read_model_contents(Archive::read(file.path()));
}

std::string message(const PickleWriter& root) {
  try {
    contents(model_with_pickle(root));
    return {};
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kModel);
    return error.what();
  }
}

std::vector<std::string> names(const ModelContents& model) {
  std::vector<std::string> all;
  for (const StoredTensor& tensor : model.tensors) all.push_back(tensor.name + ":" + tensor.module_class);
  return all;
}

// As prune2to4::PackedWeight pickles itself, of a matrix [4, 16] in data/0 (32 of float32) and data/4.
PickleWriter packed(PickleWriter& w, int64_t version = 1, int64_t cols = 16,
                    const char* positions = "ByteStorage") {
  w.global("__torch__.torch.classes.prune2to4", "PackedWeight")
      .raw(")\x81(")
      .integer(version)
      .text("linear.weight");
  w.global("torch.jit._pickle", "build_intlist").raw("(](").integer(4).integer(cols).raw("etR");
  return w.tensor("FloatStorage", "0", 32, {4, 8}, {8, 1})
      .tensor(positions, "4", 8, {4, 2}, {2, 1})
      .raw("tb");
}

PickleWriter packed_root(int64_t version = 1, int64_t cols = 16, const char* positions = "ByteStorage") {
  PickleWriter w;
  w.object("__torch__", "Net").text("linear").object("__torch__.m", "PrunedLinear").text("packed");
  return packed(w, version, cols, positions).end_object().end_object();
}

std::vector<ZipPart> packed_model(const PickleWriter& root, size_t position_bytes = 8) {
  std::vector<ZipPart> parts = model_with_pickle(root);
  parts.push_back({.name = "net/data/4", .data = std::string(position_bytes, 'D')});
  return parts;
}

CATCH_TEST_CASE("the tensors of a model are listed with name, class, type and place") {
  const ModelContents model = contents(model_parts());
  CATCH_CHECK(model.root_class == "Net");
  CATCH_CHECK(names(model) == std::vector<std::string>{"linear.weight:Linear", "linear.bias:Linear",
                                                       "steps:Net", "tables.0:Net", "tables.1:Net"});
  const StoredTensor& weight = model.tensors[0];
  CATCH_CHECK(weight.dtype == "float32");
  CATCH_CHECK(weight.shape == std::vector<int64_t>{4, 8});
  CATCH_CHECK(weight.strides == std::vector<int64_t>{8, 1});
  CATCH_CHECK(weight.record == "data/0");
  CATCH_CHECK(weight.element_size == 4);
  CATCH_CHECK(model.tensors[2].shape.empty());
  CATCH_CHECK(model.tensors[4].storage_offset == 4);
  CATCH_CHECK(model.tensors[4].record == model.tensors[3].record);
}

CATCH_TEST_CASE("every storage type has its name and size") {
  PickleWriter w;
  w.object("__torch__", "Net");
  const std::vector<std::string> types = {"Float", "Half", "BFloat16", "Double", "Long",        "Int",
                                          "Short", "Char", "Byte",     "Bool",   "ComplexFloat"};
  for (const std::string& type : types) w.text(type).tensor(type + "Storage", "none", 0, {0}, {1});
  std::string all;
  for (const StoredTensor& tensor : contents(model_with_pickle(w.end_object())).tensors) {
    all += tensor.dtype + "/" + std::to_string(tensor.element_size) + " ";
  }
  CATCH_CHECK(
      all ==
      "float32/4 float16/2 bfloat16/2 float64/8 int64/8 int32/4 int16/2 int8/1 uint8/1 bool/1 complex64/8 ");
}

CATCH_TEST_CASE("a shared module is listed once and a shared tensor under each name") {
  PickleWriter w;
  w.object("__torch__", "Net").text("a").object("__torch__.m", "Linear").text("weight");
  w.tensor("FloatStorage", "0", 32, {4, 8}, {8, 1}).put(0).end_object().put(1);
  w.text("b").get(1).text("tied").get(0).end_object();
  CATCH_CHECK(names(contents(model_with_pickle(w))) ==
              std::vector<std::string>{"a.weight:Linear", "tied:Net"});
}

CATCH_TEST_CASE("tensors in dicts and tuples are named by key and index") {
  PickleWriter w;
  w.object("__torch__", "Net").text("d").raw("}(");
  w.text("k").tensor("FloatStorage", "1", 4, {4}, {1}).integer(7).tensor("FloatStorage", "1", 4, {4}, {1});
  w.raw("u").text("t").raw("(N").tensor("FloatStorage", "1", 4, {4}, {1}).raw("t").end_object();
  CATCH_CHECK(names(contents(model_with_pickle(w))) ==
              std::vector<std::string>{"d.k:Net", "d.7:Net", "t.1:Net"});
}

CATCH_TEST_CASE("containers shared on very many paths are walked once") {
  PickleWriter w;
  w.object("__torch__", "Net").text("x").tensor("FloatStorage", "1", 4, {4}, {1}).raw("\x85").put(0);
  for (int i = 0; i < 200; ++i) w.get(0).raw("\x86").put(0);
  CATCH_CHECK(contents(model_with_pickle(w.end_object())).tensors.size() == 1);
}

CATCH_TEST_CASE("a packed weight is listed with its parts") {
  const ModelContents model = contents(packed_model(packed_root()));
  CATCH_CHECK(model.tensors.empty());
  CATCH_REQUIRE(model.packed.size() == 1);
  const StoredPackedWeight& weight = model.packed[0];
  CATCH_CHECK(weight.name == "linear.packed");
  CATCH_CHECK(weight.module_class == "PrunedLinear");
  CATCH_CHECK(weight.rows == 4);
  CATCH_CHECK(weight.cols == 16);
  CATCH_CHECK(weight.values.record == "data/0");
  CATCH_CHECK(weight.values.dtype == "float32");
  CATCH_CHECK(weight.positions.record == "data/4");
}

CATCH_TEST_CASE("a packed weight that does not fit together is refused") {
  const auto refused = [](const PickleWriter& root) {
    try {
      contents(packed_model(root));
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  CATCH_CHECK_THAT(refused(packed_root(2)), Catch::Contains("linear.packed") && Catch::Contains("version 2"));
  CATCH_CHECK_THAT(refused(packed_root(1, 32)), Catch::Contains("do not fit"));
  CATCH_CHECK_THAT(refused(packed_root(1, 18)), Catch::Contains("do not fit"));
  CATCH_CHECK_THAT(refused(packed_root(1, 16, "CharStorage")), Catch::Contains("do not fit"));
  PickleWriter w;
  w.object("__torch__", "Net")
      .text("p")
      .global("__torch__.torch.classes.prune2to4", "PackedWeight")
      .raw(")\x81");
  CATCH_CHECK_THAT(refused(w.raw("Nb").end_object()), Catch::Contains("malformed"));
}

CATCH_TEST_CASE("what cannot be listed is refused") {
  CATCH_CHECK_THAT(message(PickleWriter().raw("N")), Catch::Contains("does not hold a module"));
  CATCH_CHECK_THAT(message(PickleWriter()
                               .object("__torch__", "Net")
                               .text("x")
                               .tensor("FloatStorage", "0", 32, {33}, {1})
                               .end_object()),
                   Catch::Contains("reaches out"));
  CATCH_CHECK_THAT(message(PickleWriter()
                               .object("__torch__", "Net")
                               .text(std::string(1025, 'n'))
                               .tensor("FloatStorage", "0", 32, {1}, {1})
                               .end_object()),
                   Catch::Contains("1024"));
  CATCH_CHECK_THROWS_AS(contents(without_record(model_parts(), "data.pkl")), Error);
}

}  // namespace
}  // namespace prune2to4
