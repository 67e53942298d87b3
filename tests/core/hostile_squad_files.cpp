// SPDX-License-Identifier: Apache-2.0
#include "hostile_squad_files.h"

#include <functional>
#include <utility>

#include "squad_file.h"

namespace prune2to4 {
namespace {

struct Fault {
  std::function<void(SquadFile&)> add;
  const char* message;
};

// Element of a row of 8 in a matrix.
constexpr size_t at(size_t row, size_t token) { return 8 * row + token; }

Fault metadata(const char* key, const char* value, const char* message) {
  return {[=](SquadFile& f) { f.metadata[key] = value; }, message};
}

Fault no_metadata(const char* key, const char* message) {
  return {[=](SquadFile& f) { f.metadata.erase(key); }, message};
}

Fault removed(const char* tensor, const char* message) {
  return {[=](SquadFile& f) { f.remove(tensor); }, message};
}

Fault value(const char* tensor, size_t index, int32_t number, const char* message) {
  return {[=](SquadFile& f) { f.tensor(tensor).set<int32_t>(index, number); }, message};
}

Fault shape(const char* tensor, const std::vector<uint64_t>& sizes, const char* message) {
  return {[=](SquadFile& f) { f.tensor(tensor).shape = sizes; }, message};
}

Fault dtype(const char* tensor, const char* name, const char* message) {
  return {[=](SquadFile& f) { f.tensor(tensor).dtype = name; }, message};
}

Fault json(const char* part, const std::string& replacement, const char* message) {
  return {[=](SquadFile& f) { f.edit_examples(part, replacement); }, message};
}

Fault whole_json(const std::string& text, const char* message) {
  return {[=](SquadFile& f) { f.set_examples(text); }, message};
}

std::vector<Fault> metadata_faults() {
  return {
      {[](SquadFile& f) { f.metadata.clear(); }, "metadata \"format\" is missing"},
      no_metadata("format", "metadata \"format\" is missing"),
      metadata("format", "pt", "metadata \"format\": is \"pt\" instead of \"prune2to4.squad\""),
      no_metadata("version", "metadata \"version\" is missing"),
      metadata("version", "2", "metadata \"version\": is \"2\", but this program reads \"1\""),
      metadata("version", "", "metadata \"version\": is \"\""),
      no_metadata("squad_version", "metadata \"squad_version\" is missing"),
      metadata("squad_version", "3.0",
               "metadata \"squad_version\": must be \"1.1\" or \"2.0\"; found \"3.0\""),
      no_metadata("max_length", "metadata \"max_length\" is missing"),
      metadata("max_length", "many",
               "metadata \"max_length\": must be a number from 1 to 2147483647; found \"many\""),
      metadata("max_length", "0", "metadata \"max_length\": must be a number from 1"),
      metadata("max_length", "7",
               "tensor \"input_ids\": has rows of 8 tokens, more than the \"max_length\" of 7"),
      no_metadata("stride", "metadata \"stride\" is missing"),
      metadata("stride", "-1", "metadata \"stride\": must be a number from 0"),
      metadata("stride", "8", "metadata \"stride\": must be below \"max_length\""),
      no_metadata("pad_token_id", "metadata \"pad_token_id\" is missing"),
      metadata("pad_token_id", "2147483648",
               "metadata \"pad_token_id\": must be a number from 0 to 2147483647"),
      metadata("pad_token_id", "1.0", "metadata \"pad_token_id\": must be a number"),
      no_metadata("source", "metadata \"source\" is missing"),
      no_metadata("source_sha256", "metadata \"source_sha256\" is missing"),
      metadata("source_sha256", "a7",
               "metadata \"source_sha256\": must be a SHA-256 of 64 hexadecimal digits"),
      no_metadata("vocabulary_sha256", "metadata \"vocabulary_sha256\" is missing"),
  };
}

std::vector<Fault> tensor_faults() {
  return {
      removed("input_ids", "tensor \"input_ids\": is missing"),
      removed("token_type_ids", "tensor \"token_type_ids\": is missing"),
      removed("length", "tensor \"length\": is missing"),
      removed("offsets", "tensor \"offsets\": is missing"),
      removed("example", "tensor \"example\": is missing"),
      removed("examples", "tensor \"examples\": is missing"),
      removed("start", "tensor \"start\": is missing"),
      removed("end", "tensor \"end\": is missing"),
      {[](SquadFile& f) { f.tensor("start").name = "starts"; }, "tensor \"starts\": is unknown"},
      dtype("input_ids", "U32", "tensor \"input_ids\": has dtype U32 instead of I32"),
      dtype("token_type_ids", "I8", "tensor \"token_type_ids\": has dtype I8 instead of U8"),
      dtype("length", "F32", "tensor \"length\": has dtype F32 instead of I32"),
      dtype("end", "U32", "tensor \"end\": has dtype U32 instead of I32"),
      dtype("examples", "BOOL", "tensor \"examples\": has dtype BOOL instead of U8"),
      shape("input_ids", {40}, "tensor \"input_ids\": has shape [40] instead of [windows, tokens]"),
      shape("token_type_ids", {40}, "tensor \"token_type_ids\": has shape [40] instead of [5, 8]"),
      shape("token_type_ids", {8, 5}, "tensor \"token_type_ids\": has shape [8, 5] instead of [5, 8]"),
      shape("length", {5, 1}, "tensor \"length\": has shape [5, 1] instead of [5]"),
      shape("offsets", {5, 16}, "tensor \"offsets\": has shape [5, 16] instead of [5, 8, 2]"),
      shape("start", {1, 5}, "tensor \"start\": has shape [1, 5] instead of [5]"),
      {[](SquadFile& f) {
         f.tensor("example") = {"example", "I32", {4}, std::string(16, '\0')};
       },
       "tensor \"example\": has shape [4] instead of [5]"},
      {[](SquadFile& f) {
         f.tensor("input_ids") = {"input_ids", "I32", {0, 8}, ""};
       },
       "tensor \"input_ids\": has no rows; the data set must have a question"},
      {[](SquadFile& f) {
         f.tensor("input_ids") = {"input_ids", "I32", {5, 0}, ""};
       },
       "tensor \"token_type_ids\": has shape [5, 8] instead of [5, 0]"},
      {[](SquadFile& f) { f.padding = " "; },
       "tensor \"input_ids\": begins at a byte of the file that is no multiple of 4"},
  };
}

std::vector<Fault> window_faults() {
  return {
      value("input_ids", at(3, 5), -7, "tensor \"input_ids\" row 3 token 5: the id -7 is negative"),
      value("input_ids", at(4, 7), -1, "tensor \"input_ids\" row 4 token 7: the id -1 is negative"),
      value("length", 2, 0, "tensor \"length\" row 2: 0 is not in 1..8"),
      value("length", 0, 9, "tensor \"length\" row 0: 9 is not in 1..8"),
      value("length", 4, -2147483647, "tensor \"length\" row 4: -2147483647 is not in 1..8"),
      value("length", 1, 5, "tensor \"offsets\" row 1 token 5: [19, 20] must be [-1, -1] in the padding"),
      value("example", 0, -1, "tensor \"example\" row 0: -1 is no index into the 4 examples"),
      value("example", 4, 4, "tensor \"example\" row 4: 4 is no index into the 4 examples"),
      value("example", 0, 1, "tensor \"example\" row 0: example 0, \"q0\", has no window"),
      value("example", 3, 3, "tensor \"example\" row 3: example 2, \"q2\", has no window"),
      value("example", 2, 0, "tensor \"example\" row 3: example 1, \"q1\", has no window"),
      value("example", 3, 0, "tensor \"example\" row 3: 0 follows 1; they must ascend"),
      value("example", 4, 2, "tensor \"example\": example 3, \"q3\", has no window"),
      value("offsets", 2 * at(2, 6) + 1, 21,
            "tensor \"offsets\" row 2 token 6: [14, 21] is outside its context of 20 bytes"),
      value("offsets", 2 * at(4, 3) + 1, 12,
            "tensor \"offsets\" row 4 token 3: [0, 12] is outside its context of 11 bytes"),
      value("offsets", 2 * at(4, 3), 2147483647,
            "tensor \"offsets\" row 4 token 3: [2147483647, 3] ends before it begins"),
      value("offsets", 2 * at(0, 4), 11, "tensor \"offsets\" row 0 token 4: [11, 10] ends before it begins"),
      value("offsets", 2 * at(0, 4), -1,
            "tensor \"offsets\" row 0 token 4: [-1, 10]: only one of the two is -1"),
      value("offsets", 2 * at(0, 4) + 1, -1,
            "tensor \"offsets\" row 0 token 4: [5, -1]: only one of the two is -1"),
      value("offsets", 2 * at(3, 4), -2,
            "tensor \"offsets\" row 3 token 4: [-2, 6] is outside its context of 11 bytes"),
      value("offsets", 2 * at(0, 3) + 1, 3,
            "tensor \"offsets\" row 0 token 3: [0, 3]: byte 3 is inside a character"),
      value("offsets", 2 * at(1, 4), 16,
            "tensor \"offsets\" row 1 token 4: [16, 19]: byte 16 is inside a character"),
      value("offsets", 2 * at(0, 6), 0,
            "tensor \"offsets\" row 0 token 6: [0, -1] must be [-1, -1] in the padding"),
      value("start", 1, -1, "tensor \"start\" row 1: token -1 is outside its window of 7 tokens"),
      value("start", 1, 8, "tensor \"start\" row 1: token 8 is outside its window of 7 tokens"),
      value("end", 1, 7, "tensor \"end\" row 1: token 7 is outside its window of 7 tokens"),
      value("end", 1, 3, "tensor \"end\" row 1: 3 is before the start 4"),
      value("start", 1, 1, "tensor \"start\" row 1: token 1 is not of the context"),
      value("end", 1, 6, "tensor \"end\" row 1: token 6 is not of the context"),
      value("start", 1, 0, "tensor \"start\" row 1: token 0 is not of the context"),
      {[](SquadFile& f) {
         for (const char* label : {"start", "end"}) f.tensor(label).set<int32_t>(3, 3);
       },
       "tensor \"start\" row 3: labels token 3 of an example without answers"},
  };
}

std::vector<Fault> example_faults() {
  return {
      whole_json("", "tensor \"examples\":1:1: syntax error while parsing value - unexpected end of input"),
      whole_json("{\"contexts\": [],\n \"examples\": [}", "tensor \"examples\":2:15: syntax error"),
      whole_json("[]", "tensor \"examples\": top level: must be an object; found an array"),
      whole_json("7", "tensor \"examples\": top level: must be an object; found 7"),
      whole_json(R"({"examples": []})", "tensor \"examples\": top level: the key \"contexts\" is missing"),
      whole_json(R"({"contexts": []})", "tensor \"examples\": top level: the key \"examples\" is missing"),
      whole_json(R"({"contexts": [], "examples": []})",
                 "tensor \"example\" row 0: 0 is no index into the 0 examples"),
      whole_json(R"({"contexts": [], "contexts": []})",
                 "tensor \"examples\": /contexts: the key appears twice"),
      whole_json(R"({"version": 1})", "tensor \"examples\": /version: the key is unknown"),
      whole_json(R"({"contexts": "text"})",
                 "tensor \"examples\": /contexts: must be an array; found a string"),
      whole_json(R"({"contexts": [null]})", "tensor \"examples\": /contexts/0: must be a string; found null"),
      whole_json("\xFF\xFE{", "tensor \"examples\": the text is UTF-16"),
      whole_json(std::string(1'000'000, '['),
                 "tensor \"examples\": top level: must be an object; found an array"),
      json("]}]}", "]}]} {}", "tensor \"examples\":5:"),
      json("Tea is", std::string(1, '\0'), "tensor \"examples\":1:38: NUL byte in the text"),
      json("Tea is", "\xC3(",
           "tensor \"examples\":1:39: syntax error while parsing value - invalid string: ill-formed"),
      json("Tea is", "\xED\xA0\x80", "tensor \"examples\":1:"),
      json("Tea is", "\\ud800", "tensor \"examples\":1:"),
      json("Tea is", "\n", "tensor \"examples\":1:"),
      json("\"id\": \"q1\", ", "", "tensor \"examples\": /examples/1: the key \"id\" is missing"),
      json(", \"answers\": [\"Zoë\"]", "",
           "tensor \"examples\": /examples/1: the key \"answers\" is missing"),
      json("\"question\": \"Why is tea hot?\", \"context\": 1, ", "",
           "tensor \"examples\": /examples/2: the key \"question\" is missing"),
      json("\"context\": 1, ", "", "tensor \"examples\": /examples/2: the key \"context\" is missing"),
      json("\"id\": \"q1\"", "\"id\": \"q1\", \"id\": \"q5\"",
           "tensor \"examples\": /examples/1/id: the key appears twice"),
      json("\"id\": \"q1\"", "\"Id\": \"q1\"", "tensor \"examples\": /examples/1/Id: the key is unknown"),
      json("\"id\": \"q1\"", "\"id\": 1", "tensor \"examples\": /examples/1/id: must be a string; found 1"),
      json("\"id\": \"q3\"", "\"id\": \"q0\"",
           "tensor \"examples\": /examples/3/id: \"q0\" is the id of /examples/0 too"),
      json("\"context\": 1", "\"context\": 2",
           "tensor \"examples\": /examples/2/context: 2 is no index into the 2 contexts"),
      json("\"context\": 1", "\"context\": -1",
           "tensor \"examples\": /examples/2/context: must be an unsigned integer; found -1"),
      json("\"context\": 1", "\"context\": 1.0",
           "tensor \"examples\": /examples/2/context: must be an unsigned integer; found 1.0"),
      json("\"context\": 1", "\"context\": \"1\"",
           "tensor \"examples\": /examples/2/context: must be an unsigned integer; found a string"),
      json("\"context\": 1", "\"context\": 1e999",
           "tensor \"examples\": /examples/2/context: the number is too large"),
      json("\"context\": 1", "\"context\": 18446744073709551615",
           "tensor \"examples\": /examples/2/context: the integer 18446744073709551615 is too large"),
      json("[]}", "\"none\"}", "tensor \"examples\": /examples/2/answers: must be an array; found a string"),
      json("[]}", "[[]]}", "tensor \"examples\": /examples/2/answers/0: must be a string; found an array"),
      json("[]}", "[\"a\", {}]}",
           "tensor \"examples\": /examples/2/answers/1: must be a string; found an object"),
      json("[]}", "[\"a\", false]}",
           "tensor \"examples\": /examples/2/answers/1: must be a string; found false"),
  };
}

}  // namespace

std::vector<HostileFile> hostile_squad_files() {
  std::vector<HostileFile> files;
  for (const auto& faults : {metadata_faults(), tensor_faults(), window_faults(), example_faults()}) {
    for (const Fault& fault : faults) {
      SquadFile file = small_squad_file();
      fault.add(file);
      files.push_back({file.bytes(), fault.message});
    }
  }
  return files;
}

}  // namespace prune2to4
