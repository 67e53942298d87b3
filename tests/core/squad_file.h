// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace prune2to4 {

// A safetensors file of this header and these tensor bytes, however wrong they are.
inline std::string safetensors_bytes(std::string_view header, std::string_view data = "") {
  const uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes.append(header).append(data);
}

inline void write_bytes(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);  // truncating it instead makes ext4 flush the new bytes at once
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

// A tensor as the file is to have it; nothing of it is checked.
struct RawTensor {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::string bytes;

  template <typename T>
  void append(std::initializer_list<T> values) {
    for (const T value : values) bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  // Precondition: the tensor has this element.
  template <typename T>
  void set(size_t index, T value) {
    std::memcpy(&bytes.at(index * sizeof(T)), &value, sizeof(T));
  }
};

// A tokenized SQuAD file in memory, in which a test can break any one thing. No text in it needs an escape in
// JSON but what a test puts there.
struct SquadFile {
  std::map<std::string, std::string> metadata;
  std::vector<RawTensor> tensors;  // in the order of their bytes
  std::string padding;             // of the header

  RawTensor& tensor(std::string_view name) {
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [name](const RawTensor& tensor) { return tensor.name == name; });
    if (found == tensors.end()) throw std::invalid_argument("no tensor " + std::string(name));
    return *found;
  }
  void remove(std::string_view name) { tensors.erase(tensors.begin() + (&tensor(name) - tensors.data())); }
  // The JSON text of the examples.
  void set_examples(std::string_view json) {
    tensor("examples").bytes = json;
    tensor("examples").shape = {json.size()};
  }
  // Replaces a part of that text, which must be there.
  void edit_examples(std::string_view part, std::string_view replacement) {
    std::string json = tensor("examples").bytes;
    const size_t at = json.find(part);
    if (at == json.npos) throw std::invalid_argument("the examples lack " + std::string(part));
    set_examples(json.replace(at, part.size(), replacement));
  }

  std::string bytes() const {
    std::string header;
    std::string data;
    for (const auto& [key, value] : metadata) {
      header += (header.empty() ? "\"" : ",\"") + key + "\":\"" + value + '"';
    }
    header = "{\"__metadata__\":{" + header + "}";
    for (const RawTensor& tensor : tensors) {
      std::string shape;
      for (const uint64_t size : tensor.shape) shape += (shape.empty() ? "" : ",") + std::to_string(size);
      const std::string begin = std::to_string(data.size());
      data += tensor.bytes;
      header += ",\"" + tensor.name + R"(":{"dtype":")" + tensor.dtype + R"(","shape":[)" + shape +
                R"(],"data_offsets":[)" + begin + "," + std::to_string(data.size()) + "]}";
    }
    header += "}" + padding;
    header.resize((header.size() + 7 - padding.size()) / 8 * 8 + padding.size(), ' ');
    return safetensors_bytes(header, data);
  }
};

// Adds a window of 8 tokens: [CLS] question [SEP] context tokens [SEP] padding. `spans`: their byte offsets.
inline void add_window(SquadFile& file, int32_t example, int32_t question,
                       std::initializer_list<std::pair<int32_t, int32_t>> spans, int32_t label) {
  constexpr int32_t kWidth = 8;
  const auto used = static_cast<int32_t>(spans.size()) + 4;
  file.tensor("input_ids").append<int32_t>({1, question, 2});
  file.tensor("token_type_ids").append<uint8_t>({0, 0, 0});
  file.tensor("offsets").append<int32_t>({-1, -1, -1, -1, -1, -1});
  for (const auto& [begin, end] : spans) {
    file.tensor("input_ids").append<int32_t>({10 + begin});
    file.tensor("token_type_ids").append<uint8_t>({1});
    file.tensor("offsets").append<int32_t>({begin, end});
  }
  for (int32_t i = used - 1; i < kWidth; ++i) {
    file.tensor("input_ids").append<int32_t>({i == used - 1 ? 2 : 0});
    file.tensor("token_type_ids").append<uint8_t>({i == used - 1 ? uint8_t{1} : uint8_t{0}});
    file.tensor("offsets").append<int32_t>({-1, -1});
  }
  file.tensor("length").append<int32_t>({used});
  file.tensor("example").append<int32_t>({example});
  file.tensor("start").append<int32_t>({label});
  file.tensor("end").append<int32_t>({label});
}

// SQuAD 2.0: two contexts, four questions (one unanswerable) in five labelled windows of 8 tokens.
//
//   row  question  tokens                                     label
//   0    0         [CLS] where [SEP] Zoë lives [SEP] - -      -
//   1    0         [CLS] where [SEP] in Köln . [SEP] -        4 (Köln)
//   2    1         [CLS] who [SEP] Zoë lives in Köln [SEP]    3 (Zoë)
//   3    2         [CLS] why [SEP] Tea is hot [SEP] -         - (no answer)
//   4    3         [CLS] what [SEP] Tea is hot [SEP] -        3 (Tea)
inline SquadFile small_squad_file() {
  SquadFile file;
  file.metadata = {{"format", "prune2to4.squad"},
                   {"version", "1"},
                   {"squad_version", "2.0"},
                   {"max_length", "8"},
                   {"stride", "2"},
                   {"pad_token_id", "0"},
                   {"source", "small.json"},
                   {"source_sha256", std::string(64, 'a')},
                   {"vocabulary_sha256", std::string(64, '7')}};
  file.tensors = {{"end", "I32", {5}, ""},           {"example", "I32", {5}, ""},
                  {"input_ids", "I32", {5, 8}, ""},  {"length", "I32", {5}, ""},
                  {"offsets", "I32", {5, 8, 2}, ""}, {"start", "I32", {5}, ""},
                  {"examples", "U8", {0}, ""},       {"token_type_ids", "U8", {5, 8}, ""}};
  add_window(file, 0, 3, {{0, 4}, {5, 10}}, 0);
  add_window(file, 0, 3, {{11, 13}, {14, 19}, {19, 20}}, 4);
  add_window(file, 1, 4, {{0, 4}, {5, 10}, {11, 13}, {14, 19}}, 3);
  add_window(file, 2, 5, {{0, 3}, {4, 6}, {7, 10}}, 0);
  add_window(file, 3, 6, {{0, 3}, {4, 6}, {7, 10}}, 3);
  file.set_examples(
      R"({"contexts": ["Zoë lives in Köln.", "Tea is hot."], "examples": [
{"id": "q0", "question": "Where does Zoë live?", "context": 0, "answers": ["Köln", "in Köln"]},
{"id": "q1", "question": "Who lives in Köln?", "context": 0, "answers": ["Zoë"]},
{"id": "q2", "question": "Why is tea hot?", "context": 1, "answers": []},
{"id": "q3", "question": "What is hot?", "context": 1, "answers": ["Tea"]}]})");
  return file;
}

}  // namespace prune2to4
