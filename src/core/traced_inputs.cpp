// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/traced_inputs.h"

#include <utility>

#include "core/pickle.h"
#include "core/stored_tensor.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr const char* kRecord = "traced_inputs.pkl";
constexpr int64_t kMostElements = int64_t{1} << 28;

// None for a shape that no example can have had.
std::optional<ExampleTensor> example(const Pickle& pickle, const PickleNode& node) {
  if (node.kind != PickleKind::kTensor) return std::nullopt;
  const PickleTensor& tensor = pickle.tensors[static_cast<size_t>(node.integer)];
  int64_t elements = 1;
  for (const int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements) || elements > kMostElements) {
      return std::nullopt;
    }
  }
  return ExampleTensor{std::string(pickle.storages[tensor.storage].dtype), tensor.shape};
}

// The record is a dictionary from a method's name to a list of its arguments.
std::vector<std::optional<ExampleTensor>> examples_of_forward(const Pickle& pickle) {
  const PickleNode& methods = pickle.nodes[pickle.root];
  if (methods.kind != PickleKind::kDict) return {};
  for (size_t i = 0; i + 1 < methods.items.size(); i += 2) {
    const PickleNode& arguments = pickle.nodes[methods.items[i + 1]];
    if (pickle.nodes[methods.items[i]].text != "forward" || arguments.kind != PickleKind::kList) continue;
    std::vector<std::optional<ExampleTensor>> examples;
    for (const uint32_t argument : arguments.items) {
      examples.push_back(example(pickle, pickle.nodes[argument]));
    }
    return examples;
  }
  return {};
}

}  // namespace

std::vector<std::optional<ExampleTensor>> traced_inputs(const Archive& archive) {
  if (archive.find(kRecord) == nullptr) return {};
  try {
    return examples_of_forward(read_pickle(archive, kRecord));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace prune2to4
