// SPDX-License-Identifier: Apache-2.0
#include "model/input_spec.h"

#include <c10/core/ScalarTypeToTypeMeta.h>

#include <algorithm>

#include "model/input_facts.h"
#include "model/input_sizes.h"
#include "prune2to4/graph_walk.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

using Content = InputSpec::Content;
using Kind = Extent::Kind;
using Example = std::optional<ExampleTensor>;

constexpr Extent kBatch{Kind::kBatch};
constexpr Extent kSequence{Kind::kSequence};
constexpr Extent kSide{Kind::kSide};

bool named(const InputSpec& spec, const char* part) { return spec.name.find(part) != std::string::npos; }

bool is_floating(const InputSpec& spec) { return c10::isFloatingType(spec.dtypes.front()); }

void choose_dtypes(const InputFacts& facts, const Example& example, at::ScalarType floating,
                   InputSpec& spec) {
  const auto traced = example ? dtype_named(example->dtype) : std::nullopt;
  const bool ids = facts.index || named(spec, "ids");
  // The weights may have another type than they were traced with; what is cast at once keeps the trace's.
  if (traced && c10::isFloatingType(*traced)) {
    spec.dtypes = {floating, *traced};
  } else if (traced) {
    spec.dtypes = {*traced};
  } else if (facts.condition) {
    spec.dtypes = {at::kBool};
  } else if (facts.index) {
    spec.dtypes = {at::kLong, at::kBool};  // a mask can index, too
  } else if (facts.floating && !ids) {
    spec.dtypes = {floating};
  } else if (ids || named(spec, "mask") || facts.compared) {
    spec.dtypes = {at::kLong, at::kBool, floating};
  } else {
    spec.dtypes = {floating, at::kLong};
  }
}

void choose_content(const InputFacts& facts, InputSpec& spec) {
  const bool floating = is_floating(spec);
  if (named(spec, "mask") || facts.condition || spec.dtypes.front() == at::kBool) {
    spec.content = Content::kMask;
  } else if (floating) {
    spec.content = Content::kFloats;
  } else {
    spec.content = facts.index || named(spec, "ids") ? Content::kIds : Content::kMask;
  }
  if (facts.index) spec.bound = facts.bound;
}

// From the shape it was traced with. `traced` says which of its sizes are open; the last dimension of floats
// has the features.
ShapeTemplate example_template(const std::vector<int64_t>& shape, const OpenSizes& traced, bool floats) {
  ShapeTemplate result;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool features = floats && i > 0 && i + 1 == shape.size();
    if (i == 0 && shape[i] == traced.batch) {
      result.push_back(kBatch);
    } else if (!features && traced.sequence > 0 && shape[i] == traced.sequence) {
      result.push_back(kSequence);
    } else if (!floats && traced.batch > 1 && shape[i] == traced.batch) {
      result.push_back(kBatch);
    } else {
      result.push_back({Kind::kFixed, shape[i]});
    }
  }
  return result;
}

ShapeTemplate floats_of_rank(const InputFacts& facts, int64_t rank) {
  ShapeTemplate shape;
  for (int64_t i = 0; i < rank; ++i) {
    const auto from_last = static_cast<size_t>(rank - 1 - i);
    const int64_t trailing = from_last < facts.trailing.size() ? facts.trailing[from_last] : 0;
    if (trailing > 0) {
      shape.push_back({Kind::kFixed, trailing});
    } else if (i == 0) {
      shape.push_back(kBatch);
    } else if (i == 1 && facts.channels > 0) {
      shape.push_back({Kind::kFixed, facts.channels});
    } else {
      shape.push_back(facts.channels > 0 ? kSide : kSequence);
    }
  }
  return shape;
}

void float_shapes(const InputFacts& facts, InputSpec& spec) {
  if (facts.trailing.empty() && facts.channels == 0 && facts.features > 0) {
    spec.shapes.push_back({kBatch, {Kind::kFixed, facts.features}});
  }
  const auto known = static_cast<int64_t>(facts.trailing.size());
  const int64_t least = std::max({facts.min_rank, known, int64_t{2}});
  const int64_t first = facts.rank > 0 ? facts.rank : least;
  const int64_t last = facts.rank > 0 ? facts.rank : std::max<int64_t>(4, least);
  for (int64_t rank = first; rank <= last; ++rank) spec.shapes.push_back(floats_of_rank(facts, rank));
  if (facts.rank == 0 && known <= 1 && facts.min_rank <= 1) {
    spec.shapes.push_back(known == 1 ? ShapeTemplate{{Kind::kFixed, facts.trailing[0]}}
                                     : ShapeTemplate{kBatch});
  }
}

void integer_shapes(const InputFacts& facts, InputSpec& spec) {
  const std::vector<ShapeTemplate> likely{{kBatch, kSequence},
                                          {kBatch},
                                          {kBatch, {Kind::kFixed, 1}, {Kind::kFixed, 1}, kSequence},
                                          {kSequence, kSequence},
                                          {kBatch, {Kind::kFixed, 1}, kSequence, kSequence},
                                          {kBatch, kSequence, kSequence}};
  const auto fits = [&](const ShapeTemplate& shape) {
    const auto rank = static_cast<int64_t>(shape.size());
    return facts.rank > 0 ? rank == facts.rank : rank >= facts.min_rank;
  };
  std::copy_if(likely.begin(), likely.end(), std::back_inserter(spec.shapes), fits);
  if (spec.shapes.empty()) {
    spec.shapes.push_back(floats_of_rank({}, std::max(facts.rank, facts.min_rank)));
  }
}

InputSpec tensor_spec(const std::string& name, const InputFacts& facts, const Example& example,
                      at::ScalarType floating) {
  InputSpec spec;
  spec.name = name;
  choose_dtypes(facts, example, floating, spec);
  choose_content(facts, spec);
  if (!example) spec.content == Content::kFloats ? float_shapes(facts, spec) : integer_shapes(facts, spec);
  return spec;
}

InputSpec other_spec(const c10::Argument& argument) {
  InputSpec spec;
  spec.name = argument.name();
  const c10::TypeKind kind = argument.type()->kind();
  const bool scalar = kind == c10::TypeKind::IntType || kind == c10::TypeKind::FloatType ||
                      kind == c10::TypeKind::BoolType || kind == c10::TypeKind::OptionalType;
  if (scalar) spec.content = Content::kScalar;
  return spec;
}

}  // namespace

std::optional<at::ScalarType> dtype_named(const std::string& name) {
  const auto& types = c10::getStringToDtypeMap();
  const auto type = types.find(name);
  return type == types.end() ? std::nullopt : std::optional(type->second);
}

InputSpecs input_specs(const torch::jit::Module& module, const std::vector<Example>& examples) {
  const auto graph = inlined_forward(module);
  const std::vector<InputFacts> facts = input_facts(*graph, module);
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  const at::ScalarType floating = floating_type(module);
  const bool traced = examples.size() + 1 == arguments.size();
  const OpenSizes of_trace = traced ? traced_sizes(examples) : OpenSizes{0, 0, 0};
  InputSpecs specs;
  std::vector<InputFacts> used;
  for (size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i].default_value()) continue;
    const Example example = traced ? examples[i - 1] : std::nullopt;
    const bool tensor = arguments[i].type()->isSubtypeOf(*c10::TensorType::get());
    InputSpec spec =
        tensor ? tensor_spec(arguments[i].name(), facts[i - 1], example, floating) : other_spec(arguments[i]);
    spec.type = arguments[i].type()->annotation_str();
    if (tensor && example) {
      spec.shapes = {example_template(example->shape, of_trace, spec.content == Content::kFloats)};
    }
    specs.inputs.push_back(std::move(spec));
    used.push_back(facts[i - 1]);
  }
  specs.sizes = candidate_sizes(module, *graph, specs.inputs, used, of_trace);
  specs.has_sequence = uses_extent(specs.inputs, Kind::kSequence);
  return specs;
}

std::vector<int64_t> shape_of(const ShapeTemplate& shape, const OpenSizes& sizes) {
  std::vector<int64_t> result;
  for (const Extent& extent : shape) {
    result.push_back(extent.kind == Kind::kBatch      ? sizes.batch
                     : extent.kind == Kind::kSequence ? sizes.sequence
                     : extent.kind == Kind::kSide     ? sizes.side
                                                      : extent.size);
  }
  return result;
}

std::string description(const InputSpec& spec) {
  if (spec.shapes.empty()) return spec.name + " (" + spec.type + ")";
  std::string text = spec.name + " (" + dtype_name(spec.dtypes.front()) + " [";
  const ShapeTemplate& shape = spec.shapes.front();
  for (size_t i = 0; i < shape.size(); ++i) {
    text += i > 0 ? ", " : "";
    text += shape[i].kind == Kind::kBatch      ? "batch"
            : shape[i].kind == Kind::kSequence ? "length"
            : shape[i].kind == Kind::kSide     ? "side"
                                               : std::to_string(shape[i].size);
  }
  text += "]";
  if (spec.bound > 0) text += ", below " + std::to_string(spec.bound);
  return text + ")";
}

std::string description(const InputSpecs& specs) {
  std::string text;
  for (const InputSpec& spec : specs.inputs) text += (text.empty() ? "" : ", ") + description(spec);
  return text;
}

}  // namespace prune2to4
