// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/safetensors.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "prune2to4/error.h"
#include "squad_file.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

using Metadata = std::map<std::string, std::string>;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TensorView view(const RawTensor& tensor) {
  return {tensor.name, tensor.dtype, tensor.shape, std::as_bytes(std::span(tensor.bytes))};
}

std::string written(const std::vector<RawTensor>& tensors, const Metadata& metadata) {
  const TemporaryFolder folder;
  std::vector<TensorView> views;
  for (const RawTensor& tensor : tensors) views.push_back(view(tensor));
  AtomicFile file(folder / "f");
  write_safetensors(views, metadata, file);
  file.commit();
  std::ifstream stream(folder / "f", std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

Safetensors open_bytes(std::string_view bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "f", bytes);
  return Safetensors::open(folder / "f", "weights");
}

// Every dtype of the format in the reference's order, from its tensor.rs, with the bits of an element.
const std::vector<std::pair<const char*, size_t>> kDtypes = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};

// safetensors 0.8.0: safetensors.numpy.save() of the tensors in the next test.
const std::string kReferenceHeader =
    "{\"__metadata__\":{\"k/"
    "\":\"v\xE2\x80\xA8\"},\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
    "\"s\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[8,16]},"
    "\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]},"
    "\"y\":{\"dtype\":\"U32\",\"shape\":[1],\"data_offsets\":[24,28]},"
    "\"b\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[28,40]},"
    "\"n\\\"\xC3\xA9\\n\x7F\\u0001\\\\/"
    "\\b\\f\\r\\t\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[40,44]},"
    "\"e\":{\"dtype\":\"F16\",\"shape\":[0,3],\"data_offsets\":[44,44]},"
    "\"i8\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[44,45]},"
    "\"a\":{\"dtype\":\"U8\",\"shape\":[1,2],\"data_offsets\":[45,47]},"
    "\"bo\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[47,50]}}   ";

std::vector<RawTensor> reference_tensors() {
  std::vector<RawTensor> tensors = {{"b", "I32", {3}, ""},
                                    {"a", "U8", {1, 2}, "\1\2"},
                                    {"s", "F64", {}, ""},
                                    {"e", "F16", {0, 3}, ""},
                                    {"z", "F32", {2}, ""},
                                    {"n\"\xC3\xA9\n\x7F\x01\\/\b\f\r\t", "I32", {1}, ""},
                                    {"y", "U32", {1}, ""},
                                    {"x", "I64", {1}, std::string(8, '\0')},
                                    {"bo", "BOOL", {3}, std::string(3, '\0')},
                                    {"i8", "I8", {1}, std::string(1, '\0')}};
  tensors[0].append<int32_t>({0, 1, 2});
  tensors[2].append<double>({2.5});
  tensors[4].append<float>({0, 0});
  tensors[5].append<int32_t>({0});
  tensors[6].append<uint32_t>({0});
  return tensors;
}

CATCH_TEST_CASE("a written file equals the reference's to the byte", "[safetensors]") {
  std::string data(50, '\0');
  data.replace(8, 8, {"\0\0\0\0\0\0\x04\x40", 8});
  data[32] = 1;
  data[36] = 2;
  data[45] = 1;
  data[46] = 2;
  CATCH_CHECK(written(reference_tensors(), {{"k/", "v\xE2\x80\xA8"}}) ==
              safetensors_bytes(kReferenceHeader, data));
  CATCH_CHECK(written({}, {}) == safetensors_bytes("{}      "));
}

CATCH_TEST_CASE("what was written is read again", "[safetensors]") {
  std::vector<RawTensor> tensors = reference_tensors();
  const Metadata metadata = {{"a", "1"}, {"b\"", "\n"}, {"", ""}};
  const Safetensors file = open_bytes(written(tensors, metadata));
  CATCH_CHECK(file.metadata() == metadata);
  CATCH_REQUIRE(file.tensors().size() == tensors.size());
  for (const RawTensor& tensor : tensors) {
    const TensorView* const found = file.find(tensor.name);
    CATCH_REQUIRE(found != nullptr);
    CATCH_CHECK(found->dtype == tensor.dtype);
    CATCH_CHECK(found->shape == tensor.shape);
    CATCH_CHECK(text_of(found->bytes) == tensor.bytes);
  }
  CATCH_CHECK(file.find("") == nullptr);
  CATCH_CHECK(file.bytes().size() % 8 == 50 % 8);
}

CATCH_TEST_CASE("tensors of all dtypes are written in the reference's order and read", "[safetensors]") {
  std::vector<RawTensor> tensors;
  for (const auto& [dtype, bits] : kDtypes) {
    tensors.push_back({std::string("z") + dtype, dtype, {2, 4}, std::string(bits, 'z')});
    tensors.push_back({std::string("a") + dtype, dtype, {8}, std::string(bits, 'a')});
  }
  const Safetensors file = open_bytes(written(tensors, {}));
  CATCH_REQUIRE(file.tensors().size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    CATCH_CHECK(file.tensors()[i].name == tensors[tensors.size() - 1 - i].name);
    CATCH_CHECK(text_of(file.tensors()[i].bytes) == tensors[tensors.size() - 1 - i].bytes);
  }
}

CATCH_TEST_CASE("a moved file keeps its bytes", "[safetensors]") {
  Safetensors first = open_bytes(written(reference_tensors(), {}));
  Safetensors second = std::move(first);
  CATCH_CHECK(text_of(second.find("a")->bytes) == "\1\2");
  second = open_bytes(written({{"q", "U8", {1}, "q"}}, {}));
  CATCH_CHECK(text_of(second.find("q")->bytes) == "q");
  CATCH_CHECK(second.find("a") == nullptr);
}

CATCH_TEST_CASE("tensors may stand in the header in any order, be empty, and have no header padding",
                "[safetensors]") {
  const Safetensors file = open_bytes(safetensors_bytes(
      R"({"b":{"data_offsets":[1,3],"shape":[2],"dtype":"U8"},"e":{"dtype":"F4","shape":[0,5],"data_offsets":[1,1]},)"
      R"("a":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]},"__metadata__":{}})",
      "abb"));
  CATCH_REQUIRE(file.tensors().size() == 3);
  CATCH_CHECK(text_of(file.find("a")->bytes) == "a");
  CATCH_CHECK(text_of(file.find("b")->bytes) == "bb");
  CATCH_CHECK(file.find("e")->bytes.empty());
  CATCH_CHECK(file.tensors()[1].name == "e");
  CATCH_CHECK(file.metadata().empty());
  CATCH_CHECK(open_bytes(safetensors_bytes("{}")).tensors().empty());
}

CATCH_TEST_CASE("a broken file is refused with its name", "[safetensors]") {
  const TemporaryFolder folder;
  for (const std::string_view bytes : {std::string_view(), std::string_view("\2\0\0\0\0\0\0\0{]", 10)}) {
    write_bytes(folder / "b\tad\a", bytes);
    try {
      Safetensors::open(folder / "b\tad\a", "weights");
      CATCH_FAIL("read");
    } catch (const Error& error) {
      CATCH_CHECK(error.status() == ExitStatus::kData);
      CATCH_CHECK_THAT(error.what(), Catch::StartsWith("[weights] " + (folder / "b\tad?: ").string()));
    }
  }
}

CATCH_TEST_CASE("what no file can hold is not written", "[safetensors]") {
  const RawTensor good = {"a", "U8", {2}, "ab"};
  const auto refused = [](const std::vector<RawTensor>& tensors,
                          const Metadata& metadata = {}) -> std::string {
    try {
      written(tensors, metadata);
      return "written";
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
  };
  CATCH_CHECK(refused({good}) == "written");
  CATCH_CHECK(refused({good, good}) == "tensor \"a\" is given twice");
  CATCH_CHECK(refused({good, {"a", "BOOL", {1}, "a"}}) == "tensor \"a\" is given twice");
  CATCH_CHECK(refused({{"a", "U7", {2}, "ab"}}) == "tensor \"a\": the dtype \"U7\" is unknown");
  CATCH_CHECK(refused({{"a", "I16", {2}, "ab"}}) == "tensor \"a\": 2 bytes do not fit the shape [2] of I16");
  CATCH_CHECK(refused({{"a", "F4", {3}, "ab"}}) == "tensor \"a\": 2 bytes do not fit the shape [3] of F4");
  CATCH_CHECK(refused({{"__metadata__", "U8", {0}, ""}}) ==
              "tensor \"__metadata__\": the format keeps this name for itself");
  CATCH_CHECK(refused({{"\xFF", "U8", {0}, ""}}) == "\"\xEF\xBF\xBD\" is not UTF-8");
  CATCH_CHECK(refused({good}, {{"k", "\xC3"}}) == "\"\xEF\xBF\xBD\" is not UTF-8");
}

CATCH_TEST_CASE("files that cannot be read are errors of the file system", "[safetensors]") {
  const TemporaryFolder folder;
  CATCH_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"missing", "No such file or directory; check the path"},
      {".", "it is a folder; name the file in it"},
      {"pipe", "it is not a regular file; copy it to one"}};
  for (const auto& [name, message] : cases) {
    try {
      Safetensors::open(folder / name, "weights");
      CATCH_FAIL("read");
    } catch (const Error& error) {
      CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
      CATCH_CHECK(error.what() == "[read] cannot read \"" + (folder / name).string() + "\": " + message);
    }
  }
}

}  // namespace
}  // namespace prune2to4
