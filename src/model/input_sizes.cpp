// SPDX-License-Identifier: Apache-2.0
#include "model/input_sizes.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "prune2to4/graph_walk.h"

namespace prune2to4 {
namespace {

constexpr size_t kMostSizes = 96;
constexpr int64_t kLongestSide = 512;

// Positive integers among the graph's constants, ascending: a trace that wired its shape in names it there.
std::set<int64_t> constants(torch::jit::Graph& graph) {
  std::set<int64_t> found;
  const auto add = [&](int64_t value) {
    if (value > 0) found.insert(value);
  };
  for_each_node(graph.block(), [&](torch::jit::Node* node) {
    if (node->kind() != c10::prim::Constant) return;
    const auto value = torch::jit::toIValue(node->output());
    if (value && value->isInt()) add(value->toInt());
    if (value && value->isIntList()) {
      for (const int64_t element : value->toIntVector()) add(element);
    }
  });
  return found;
}

// Sides that give as many patches as a parameter has rows, with up to two tokens more (class, distillation);
// then common ones.
std::vector<int64_t> candidate_sides(const torch::jit::Module& module, int64_t stride) {
  std::vector<int64_t> sides;
  const auto add = [&](int64_t side) {
    const bool known = std::find(sides.begin(), sides.end(), side) != sides.end();
    if (!known && side > 0 && side <= kLongestSide) sides.push_back(side);
  };
  for (const at::Tensor& parameter : module.parameters()) {
    for (const int64_t size : parameter.sizes()) {
      for (const int64_t tokens : {size - 1, size, size - 2}) {
        const auto root = static_cast<int64_t>(std::lround(std::sqrt(std::max<int64_t>(0, tokens))));
        if (stride > 1 && root > 1 && root * root == tokens) add(root * stride);
      }
    }
  }
  for (const int64_t side : {32, 28, 16, 64, 8, 224}) add(side);
  for (int64_t side = 4; side <= 64; ++side) add(side);
  for (int64_t side = 96; side <= kLongestSide; side += 32) add(side);
  return sides;
}

std::vector<OpenSizes> text_sizes(torch::jit::Graph& graph, const OpenSizes& traced) {
  std::vector<OpenSizes> sizes;
  const auto add = [&](int64_t batch, int64_t sequence) {
    if (sizes.size() < kMostSizes) sizes.push_back({batch, sequence});
  };
  if (traced.sequence > 0) {
    if (traced.sequence < 16) add(2, traced.sequence);
    add(2, 16);
    add(traced.batch, traced.sequence);
  }
  for (const int64_t sequence : {16, 384, 128, 512, 256, 64, 32, 8, 4}) {
    for (const int64_t batch : {2, 1}) add(batch, sequence);
  }
  const std::set<int64_t> wired = constants(graph);
  for (const int64_t sequence : wired) {
    if (sequence <= 3 || sequence > 512) continue;
    for (const int64_t batch : wired) {
      if (batch <= 8) add(batch, sequence);
    }
  }
  return sizes;
}

}  // namespace

OpenSizes traced_sizes(const std::vector<std::optional<ExampleTensor>>& examples) {
  OpenSizes sizes{0, 0, 0};
  for (const auto& example : examples) {
    if (!example || example->shape.empty()) continue;
    if (sizes.batch == 0) sizes.batch = example->shape[0];
    // Images have four dimensions; of two dimensions, integers are tokens, and floats features.
    const bool floats = example->dtype.find("float") != std::string::npos;
    const bool sequence = floats ? example->shape.size() == 3 : example->shape.size() == 2;
    if (sequence && sizes.sequence == 0) sizes.sequence = example->shape[1];
  }
  return sizes;
}

bool uses_extent(const std::vector<InputSpec>& inputs, Extent::Kind kind) {
  return std::any_of(inputs.begin(), inputs.end(), [&](const InputSpec& input) {
    return !input.shapes.empty() && std::any_of(input.shapes.front().begin(), input.shapes.front().end(),
                                                [&](const Extent& extent) { return extent.kind == kind; });
  });
}

std::vector<OpenSizes> candidate_sizes(const torch::jit::Module& module, torch::jit::Graph& graph,
                                       const std::vector<InputSpec>& inputs,
                                       const std::vector<InputFacts>& facts, const OpenSizes& traced) {
  if (uses_extent(inputs, Extent::Kind::kSide)) {
    int64_t stride = 1;
    for (const InputFacts& input : facts) stride = std::max(stride, input.stride);
    std::vector<OpenSizes> sizes;
    for (const int64_t side : candidate_sides(module, stride)) sizes.push_back({2, 16, side});
    for (const int64_t side : candidate_sides(module, stride)) sizes.push_back({1, 16, side});
    return sizes;
  }
  if (traced.batch > 0 && traced.sequence == 0) return {{2}, {traced.batch}, {1}};
  return text_sizes(graph, traced);
}

}  // namespace prune2to4
