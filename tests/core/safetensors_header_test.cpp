// SPDX-License-Identifier: Apache-2.0
#include "core/safetensors_header.h"

#include <catch2/catch.hpp>
#include <random>

#include "prune2to4/error.h"
#include "squad_file.h"

namespace prune2to4 {
namespace {

SafetensorsHeader read(std::string_view bytes) {
  return read_safetensors_header(std::as_bytes(std::span(bytes)), "f", "weights");
}

// "accepted", or the message behind the file's name.
std::string refusal(std::string_view bytes) {
  const std::string start = "[weights] f: ";
  try {
    read(bytes);
    return "accepted";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kData);
    CATCH_CHECK_THAT(
        error.what(),
        Catch::StartsWith(start) &&
            Catch::EndsWith("; the file is damaged or no safetensors file: copy or write it again"));
    return std::string(error.what()).substr(start.size());
  }
}

// A header with one tensor "x" of these keys.
std::string one_tensor(const std::string& keys) { return "{\"x\":{" + keys + "}}"; }

std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return one_tensor(R"("dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets);
}

struct Hostile {
  std::string bytes;
  const char* message;  // how the refusal begins
};

std::vector<Hostile> hostile_lengths() {
  std::string long_header = safetensors_bytes("{}");
  long_header[0] = 3;
  std::string large = safetensors_bytes("{}");
  large.replace(0, 8, {"\x01\xE1\xF5\x05\0\0\0\0", 8});
  std::string largest = safetensors_bytes("{}");
  largest.replace(0, 8, 8, '\xFF');
  return {
      {"", "0 bytes cannot hold the 8 of the header's length"},
      {"\2\0\0\0\0\0\0", "1 bytes cannot hold the 8 of the header's length"},
      {long_header, "the header of 3 bytes passes the end of the file"},
      {large, "a header of 100000001 bytes is more than the format's 100000000"},
      {largest, "a header of 18446744073709551615 bytes is more than the format's 100000000"},
      {"PK\3\4 a ZIP file", "a header of"},
      {safetensors_bytes(""), "the header does not begin with \"{\""},
      {safetensors_bytes(" {}"), "the header does not begin with \"{\""},
      {safetensors_bytes("\xEF\xBB\xBF{}"), "the header does not begin with \"{\""},
      {safetensors_bytes("[]"), "the header does not begin with \"{\""},
      {safetensors_bytes("{} \n"), "the header does not end with \"}\" and spaces"},
      {safetensors_bytes("{"), "the header does not end with \"}\" and spaces"},
      {safetensors_bytes({"{}\0", 3}), "the header does not end with \"}\" and spaces"},
      {safetensors_bytes({"{\0}", 3}), "header:1:2: NUL byte in the text"},
      {safetensors_bytes("{,}"), "header:1:2: syntax error while parsing object key"},
      {safetensors_bytes("{}}"), "header:1:3: syntax error while parsing value"},
      {safetensors_bytes("{\"\xFF\":{}}"),
       "header:1:3: syntax error while parsing object key - invalid string: ill-formed UTF-8"},
      {safetensors_bytes("{}", "x"), "1 bytes at its end belong to no tensor"},
  };
}

std::vector<Hostile> hostile_json() {
  const auto header = [](const std::string& text) { return safetensors_bytes(text, "\1\2\3\4"); };
  return {
      {header(R"({"x":[]})"), "header: /x: must be an object; found an array"},
      {header(R"({"x":null})"), "header: /x: must be an object; found null"},
      {header(one_tensor("U8", "[4]", "[0,4]")
                  .insert(1, R"("x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)")),
       "header: /x: the key appears twice in one object"},
      {header(one_tensor(R"("dtype":"U8","dtype":"U8")")),
       "header: /x/dtype: the key appears twice in one object"},
      {header(one_tensor(R"("dtype":"U8","shape":[4])")), "header: /x: the key \"data_offsets\" is missing"},
      {header(one_tensor(R"("dtype":"U8","data_offsets":[0,4])")),
       "header: /x: the key \"shape\" is missing"},
      {header(one_tensor(R"("shape":[4],"data_offsets":[0,4])")), "header: /x: the key \"dtype\" is missing"},
      {header(one_tensor(R"("dtype":"U8","offset":0)")), "header: /x/offset: the key is unknown"},
      {header(one_tensor("u8", "[4]", "[0,4]")), "header: /x/dtype: the dtype \"u8\" is unknown"},
      {header(one_tensor("F8_E4M3FN", "[4]", "[0,4]")),
       "header: /x/dtype: the dtype \"F8_E4M3FN\" is unknown"},
      {header(one_tensor(R"("dtype":8)")), "header: /x/dtype: must be a string; found 8"},
      {header(one_tensor(R"("dtype":["U8"])")), "header: /x/dtype: must be a string; found an array"},
      {header(one_tensor("U8", "4", "[0,4]")), "header: /x/shape: must be an array; found 4"},
      {header(one_tensor("U8", "{}", "[0,4]")), "header: /x/shape: must be an array; found an object"},
      {header(one_tensor("U8", "[2,2.0]", "[0,4]")),
       "header: /x/shape/1: must be an unsigned integer; found 2.0"},
      {header(one_tensor("U8", "[-4]", "[0,4]")),
       "header: /x/shape/0: must be an unsigned integer; found -4"},
      {header(one_tensor("U8", "[-0]", "[0,0]")), "header: /x/shape/0: must be an unsigned integer; found 0"},
      {header(one_tensor("U8", "[\"4\"]", "[0,4]")),
       "header: /x/shape/0: must be an unsigned integer; found a string"},
      {header(one_tensor("U8", "[[4]]", "[0,4]")),
       "header: /x/shape/0: must be an unsigned integer; found an array"},
      {header(one_tensor("U8", "[18446744073709551616]", "[0,4]")),
       "header: /x/shape/0: must be an unsigned integer"},
      {header(one_tensor("U8", "[4]", "[0]")),
       "header: /x/data_offsets: must have 2 numbers, begin and end; found 1"},
      {header(one_tensor("U8", "[4]", "[0,4,4]")),
       "header: /x/data_offsets: must have 2 numbers, begin and end; found 3"},
      {header(one_tensor("U8", "[4]", "[0,true]")),
       "header: /x/data_offsets/1: must be an unsigned integer; found true"},
      {header(R"({"__metadata__":[]})"), "header: /__metadata__: must be an object; found an array"},
      {header(R"({"__metadata__":{"a":1}})"), "header: /__metadata__/a: must be a string; found 1"},
      {header(R"({"__metadata__":{"a":{}}})"), "header: /__metadata__/a: must be a string; found an object"},
      {header(R"({"__metadata__":{"a":"","a":""}})"),
       "header: /__metadata__/a: the key appears twice in one object"},
  };
}

std::vector<Hostile> hostile_offsets() {
  const auto file = [](const std::string& header) { return safetensors_bytes(header, "\1\2\3\4"); };
  const auto two = [&file](const std::string& first, const std::string& second) {
    return file(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + first +
                R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + second + "}}");
  };
  return {
      {two("[0,2]", "[1,3]"), "tensor \"b\": data_offsets [1, 3] overlap the tensor before, which ends at 2"},
      {two("[0,2]", "[0,2]"), "tensor \"b\": data_offsets [0, 2] overlap the tensor before, which ends at 2"},
      {two("[3,4]", "[0,2]"), "tensor \"a\": data_offsets [3, 4] leave a hole behind byte 2"},
      {two("[1,2]", "[2,4]"), "tensor \"a\": data_offsets [1, 2] leave a hole behind byte 0"},
      {two("[0,2]", "[2,5]"),
       "tensor \"b\": data_offsets [2, 5] pass the end of the file, which has 4 bytes behind its header"},
      {two("[0,2]", "[2,9223372036854775807]"),
       "tensor \"b\": data_offsets [2, 9223372036854775807] pass the end"},
      {two("[0,2]", "[4,2]"), "tensor \"b\": data_offsets [4, 2] end before they begin"},
      {file(one_tensor("U8", "[3]", "[0,3]")), "1 bytes at its end belong to no tensor"},
      {file("{}"), "4 bytes at its end belong to no tensor"},
      {file(one_tensor("U8", "[3]", "[0,4]")),
       "tensor \"x\": dtype U8 and shape [3] make 3 bytes, but data_offsets [0, 4] hold 4"},
      {file(one_tensor("I32", "[4]", "[0,4]")), "tensor \"x\": dtype I32 and shape [4] make 16 bytes"},
      {file(one_tensor("I32", "[1,0]", "[0,4]")), "tensor \"x\": dtype I32 and shape [1, 0] make 0 bytes"},
      {file(one_tensor("F4", "[7]", "[0,4]")),
       "tensor \"x\": dtype F4 and shape [7] make more bytes than 64 bits can count, or no whole number"},
      {file(one_tensor("U8", "[4294967296,4294967296]", "[0,0]")),
       "tensor \"x\": dtype U8 and shape [4294967296, 4294967296] make more bytes"},
      {file(one_tensor("U8", "[4294967296,4294967296,0]", "[0,0]")),
       "tensor \"x\": dtype U8 and shape [4294967296, 4294967296, 0] make more"},
      {file(one_tensor("I64", "[2305843009213693953]", "[0,4]")),
       "tensor \"x\": dtype I64 and shape [2305843009213693953] make more bytes"},
      {file(R"({"\u001b[2J":{"dtype":"U8","shape":[3],"data_offsets":[0,4]}})"), "tensor \"?[2J\": dtype U8"},
  };
}

CATCH_TEST_CASE("62 files broken in every way the reference knows are refused with the place",
                "[safetensors_header]") {
  size_t count = 0;
  for (const auto& files : {hostile_lengths(), hostile_json(), hostile_offsets()}) {
    for (const auto& [bytes, message] : files) {
      CATCH_CHECK_THAT(refusal(bytes), Catch::StartsWith(message));
      ++count;
    }
  }
  CATCH_CHECK(count == 62);
}

CATCH_TEST_CASE("long names and shapes are cut in messages", "[safetensors_header]") {
  std::string shape = "[1";
  for (int i = 0; i < 100; ++i) shape += ",1";
  std::string header = one_tensor("U8", shape + "]", "[0,0]");
  header.replace(2, 1, std::string(100'000, 'n'));
  CATCH_CHECK(refusal(safetensors_bytes(header)).size() < 500);
}

CATCH_TEST_CASE("a header of many megabytes is read", "[safetensors_header]") {
  std::string header = one_tensor("U8", "[1]", "[0,1]");
  header.resize(size_t{3} << 20, ' ');
  const std::string bytes = safetensors_bytes(header, "x");
  CATCH_CHECK(read(bytes).tensors.at(0).bytes.data() ==
              std::as_bytes(std::span(bytes)).data() + bytes.size() - 1);
}

CATCH_TEST_CASE("truncated and flipped bytes never crash", "[safetensors_header]") {
  const std::string header =
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"F4","shape":[0],"data_offsets":[16,16]},"c":{"dtype":"F16","shape":[1],"data_offsets":[16,18]}})";
  const std::string bytes = safetensors_bytes(header, std::string(18, 'd'));
  CATCH_REQUIRE(refusal(bytes) == "accepted");
  for (size_t size = 0; size < bytes.size(); ++size) {
    CATCH_CHECK(refusal(bytes.substr(0, size)) != "accepted");
  }
  std::mt19937 random(5);
  for (int i = 0; i < 1000; ++i) {
    std::string broken = bytes;
    broken[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    if (refusal(broken) != "accepted") continue;
    const SafetensorsHeader found = read(broken);
    const auto* covered = std::as_bytes(std::span(broken)).data() + broken.size() - 18;
    for (const TensorView& tensor : found.tensors) {
      CATCH_REQUIRE(tensor.bytes.data() == covered);
      covered += tensor.bytes.size();
    }
    CATCH_REQUIRE(covered == std::as_bytes(std::span(broken)).data() + broken.size());
  }
}

}  // namespace
}  // namespace prune2to4
