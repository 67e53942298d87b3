// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "core/pickle_machine.h"
#include "core/printable.h"

namespace prune2to4 {
namespace {

struct StorageType {
  std::string_view global;
  std::string_view dtype;
  int64_t element_size;
};

constexpr std::array<StorageType, 18> kStorageTypes = {{
    {"torch.FloatStorage", "float32", 4},
    {"torch.HalfStorage", "float16", 2},
    {"torch.BFloat16Storage", "bfloat16", 2},
    {"torch.DoubleStorage", "float64", 8},
    {"torch.LongStorage", "int64", 8},
    {"torch.IntStorage", "int32", 4},
    {"torch.ShortStorage", "int16", 2},
    {"torch.CharStorage", "int8", 1},
    {"torch.ByteStorage", "uint8", 1},
    {"torch.BoolStorage", "bool", 1},
    {"torch.UInt16Storage", "uint16", 2},
    {"torch.UInt32Storage", "uint32", 4},
    {"torch.UInt64Storage", "uint64", 8},
    {"torch.ComplexHalfStorage", "complex32", 4},
    {"torch.ComplexFloatStorage", "complex64", 8},
    {"torch.ComplexDoubleStorage", "complex128", 16},
    {"torch.Float8_e4m3fnStorage", "float8_e4m3fn", 1},
    {"torch.Float8_e5m2Storage", "float8_e5m2", 1},
}};

// Called by REDUCE on a tuple whose first item is the value.
constexpr std::array<std::string_view, 5> kTypedContainers = {
    "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.restore_type_tag"};

constexpr std::string_view kTensorFunction = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kHooksFunction = "collections.OrderedDict";

const StorageType* storage_type(std::string_view global) {
  const auto* found = std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                                   [&](const StorageType& type) { return type.global == global; });
  return found == kStorageTypes.end() ? nullptr : found;
}

bool is_class(std::string_view global) { return global.starts_with("__torch__."); }

template <typename List>
bool contains(const List& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool is_known(std::string_view global) {
  return is_class(global) || storage_type(global) != nullptr || contains(kTypedContainers, global) ||
         global == kTensorFunction || global == kHooksFunction || global == "torch.device" ||
         global == "builtins.complex";
}

// Why a global that TorchScript does write is not taken.
std::string refusal(std::string_view global) {
  if (global == "torch._utils._rebuild_qtensor" || global.starts_with("torch.per_") ||
      global.starts_with("torch.QInt") || global.starts_with("torch.QUInt")) {
    return "a quantised tensor; prune the floating-point model before it is quantised";
  }
  if (global == "torch._utils._rebuild_sparse_tensor") {
    return "a tensor in a sparse layout, whose indices LibTorch does not check; export it dense";
  }
  return "the global \"" + printable(global) + "\", which no TorchScript model needs";
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

}  // namespace

void PickleMachine::push_global() {
  std::string name(read_line());
  name += '.';
  name += read_line();
  if (!std::all_of(name.begin(), name.end(), is_name_character)) fail("a global's name is malformed");
  if (!is_known(name)) unsupported(refusal(name));
  result_.globals.push_back(name);
  push(make(PickleKind::kGlobal));
  result_.nodes.back().text = std::move(name);
}

void PickleMachine::make_object() {
  if (!expect(pop(), PickleKind::kTuple, "the arguments of a new object").items.empty()) {
    fail("arguments for a new object");
  }
  const PickleNode& type = expect(pop(), PickleKind::kGlobal, "the class of a new object");
  if (!is_class(type.text)) fail("\"" + type.text + "\" is not a class of the model");
  std::string name = type.text;
  push(make(PickleKind::kObject));
  result_.nodes.back().text = std::move(name);
}

void PickleMachine::build_object() {
  const Index state = pop();
  const Index object = top();
  if (!expect(object, PickleKind::kObject, "an object to give a state to").items.empty()) {
    fail("a second state for an object");
  }
  result_.nodes[state].frozen = true;
  result_.nodes[object].items = {state};
}

void PickleMachine::call() {
  const Index arguments = pop();
  const std::string function = expect(pop(), PickleKind::kGlobal, "a function to call").text;
  if (is_class(function)) {  // an enumeration's value, which LibTorch writes as a call
    push(make(PickleKind::kObject));
    result_.nodes.back().text = function;
    result_.nodes.back().items = {arguments};
    result_.nodes[arguments].frozen = true;
    return;
  }
  expect(arguments, PickleKind::kTuple, "a tuple of arguments");
  push(call_function(function, arguments));
}

PickleMachine::Index PickleMachine::call_function(const std::string& function, Index arguments) {
  const std::vector<Index>& items = node(arguments).items;
  if (function == kTensorFunction) return make_tensor(items);
  if (function == kHooksFunction) return make(PickleKind::kNone);  // LibTorch drops it too
  if (function == "torch.device" || function == "builtins.complex") return make(PickleKind::kOpaque);
  if (!contains(kTypedContainers, function)) fail("\"" + function + "\" cannot be called");
  const bool tag = function == kTypedContainers.back();
  if (items.size() != (tag ? 2U : 1U)) fail("a typed container with other than its arguments");
  const Index container = items.front();
  if (tag) {
    result_.globals.push_back(expect(items[1], PickleKind::kString, "the name of a type").text);
    if (node(container).kind != PickleKind::kDict) expect(container, PickleKind::kList, "a list or a dict");
  } else {
    expect(container, PickleKind::kList, "a list");
  }
  result_.nodes[container].frozen = true;
  return container;
}

std::vector<int64_t> PickleMachine::integers(Index tuple) const {
  std::vector<int64_t> values;
  for (const Index item : expect(tuple, PickleKind::kTuple, "a tuple of integers").items) {
    values.push_back(expect(item, PickleKind::kInt, "an integer").integer);
  }
  return values;
}

// (storage, offset, shape, strides, requires_grad, hooks[, conjugate and negative bits])
PickleMachine::Index PickleMachine::make_tensor(const std::vector<Index>& arguments) {
  if (arguments.size() != 6 && arguments.size() != 7) fail("a tensor with other than 6 or 7 arguments");
  PickleTensor tensor;
  tensor.storage =
      static_cast<size_t>(expect(arguments[0], PickleKind::kStorage, "a tensor's storage").integer);
  tensor.offset = expect(arguments[1], PickleKind::kInt, "a tensor's offset").integer;
  tensor.shape = integers(arguments[2]);
  tensor.strides = integers(arguments[3]);
  expect(arguments[4], PickleKind::kBool, "whether a tensor requires a gradient");
  if (arguments.size() == 7) expect(arguments[6], PickleKind::kDict, "a tensor's bits");
  const Index index = make(PickleKind::kTensor);
  result_.nodes[index].integer = static_cast<int64_t>(result_.tensors.size());
  result_.tensors.push_back(std::move(tensor));
  return index;
}

// ("storage", type, key, device, number of elements)
void PickleMachine::push_storage() {
  const std::vector<Index> items = expect(pop(), PickleKind::kTuple, "a persistent id").items;
  if (items.size() != 5 ||
      expect(items[0], PickleKind::kString, "the kind of a persistent id").text != "storage") {
    fail("a persistent id that is not a storage's");
  }
  const std::string& type = expect(items[1], PickleKind::kGlobal, "the type of a storage").text;
  const StorageType* known = storage_type(type);
  if (known == nullptr) fail("\"" + type + "\" is not the type of a storage");
  const std::string& device = expect(items[3], PickleKind::kString, "a storage's device").text;
  if (device != "cpu" && !device.starts_with("cuda")) {
    unsupported("a tensor on the device \"" + printable(device) +
                "\"; move the model to the CPU and export it again");
  }
  PickleStorage storage;
  storage.key = expect(items[2], PickleKind::kString, "a storage's key").text;
  storage.dtype = known->dtype;
  storage.element_size = known->element_size;
  storage.elements = expect(items[4], PickleKind::kInt, "a storage's number of elements").integer;
  push(make(PickleKind::kStorage));
  result_.nodes.back().integer = static_cast<int64_t>(result_.storages.size());
  result_.storages.push_back(std::move(storage));
}

}  // namespace prune2to4
