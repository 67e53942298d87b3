// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/traced_inputs.h"

namespace prune2to4 {

// What the open sizes of all inputs of one call are.
struct OpenSizes {
  int64_t batch = 2;
  int64_t sequence = 16;
  int64_t side = 32;  // of an image or a signal
};

// One dimension of an input: a size, or one that is open.
struct Extent {
  enum class Kind { kFixed, kBatch, kSequence, kSide };
  Kind kind = Kind::kFixed;
  int64_t size = 0;  // of a fixed one
};
using ShapeTemplate = std::vector<Extent>;

// An argument of `forward` that has no default, and what a call may put there.
struct InputSpec {
  enum class Content {
    kIds,      // integers below `bound`
    kMask,     // ones, and zeros at the end of the last row
    kFloats,   // random numbers
    kScalar,   // an int, a float or a bool of Python: 1, or None where it is optional
    kUnknown,  // a type that no random value can be made for
  };
  std::string name;
  std::string type;  // as TorchScript spells it: "Tensor", "float", "List[Tensor]"
  Content content = Content::kUnknown;
  std::vector<at::ScalarType> dtypes;  // the likeliest first
  int64_t bound = 0;                   // 0: not known
  std::vector<ShapeTemplate> shapes;   // the likeliest first; not empty for a tensor
};

// What `forward` asks for, learned from its graph and from what it was traced with (empty: not known).
struct InputSpecs {
  std::vector<InputSpec> inputs;
  std::vector<OpenSizes> sizes;  // worth trying, the likeliest first
  bool has_sequence = false;     // whether an input has such a dimension
};
InputSpecs input_specs(const torch::jit::Module& module,
                       const std::vector<std::optional<ExampleTensor>>& examples);

std::vector<int64_t> shape_of(const ShapeTemplate& shape, const OpenSizes& sizes);

// "input_ids (int64 [batch, length], below 99)", for messages.
std::string description(const InputSpec& spec);
std::string description(const InputSpecs& specs);

// As safetensors or PyTorch spell it: "float32"; none for an unknown name.
std::optional<at::ScalarType> dtype_named(const std::string& name);

}  // namespace prune2to4
