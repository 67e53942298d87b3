// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace prune2to4 {

// What a pickle of TorchScript holds, as plain data: nothing is imported or called.
//
// Nodes lie in one array and refer to each other by index: sharing costs nothing, and neither reading nor
// destroying recurses. parse_pickle() guarantees: no cycles, at most kMaxPickleDepth levels, no dict with the
// same string key twice, every object built.
enum class PickleKind : uint8_t {
  kNone,
  kBool,     // integer
  kInt,      // integer
  kFloat,    // number
  kString,   // text
  kList,     // items
  kTuple,    // items
  kDict,     // items: key, value, key, value, ...
  kGlobal,   // text: "module.name"
  kObject,   // text: its class, "__torch__.m.Class"; items: its state, one node
  kStorage,  // integer: index into Pickle::storages
  kTensor,   // integer: index into Pickle::tensors
  kOpaque,   // a device or a complex number
};

struct PickleNode {
  PickleKind kind = PickleKind::kNone;
  bool frozen = false;  // has become the state of something: LibTorch would not see later changes
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<uint32_t> items;
};

struct PickleStorage {
  std::string key;  // of its record: "7"
  std::string_view dtype;
  int64_t element_size = 0;  // bytes
  int64_t elements = 0;
};

// As claimed by the pickle: nothing is checked but the types.
struct PickleTensor {
  size_t storage = 0;  // index into Pickle::storages
  int64_t offset = 0;  // elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct Pickle {
  std::vector<PickleNode> nodes;
  uint32_t root = 0;
  std::vector<PickleStorage> storages;  // all that LibTorch would read, reachable from the root or not
  std::vector<PickleTensor> tensors;    // likewise
  std::vector<std::string> globals;     // "module.name"; also the type names of restore_type_tag
};

inline constexpr size_t kMaxPickleBytes = size_t{64} << 20U;
inline constexpr size_t kMaxPickleNodes = 2'000'000;
inline constexpr uint32_t kMaxPickleDepth = 256;

// Reads the opcodes that LibTorch's Pickler writes (protocol 2); its Unpickler reads few more. `where` goes
// in front of messages: "model.pt: record \"data.pkl\"". Throws Error(kModel) naming the byte.
Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace prune2to4
