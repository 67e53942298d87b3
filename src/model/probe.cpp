// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/probe.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <cmath>
#include <set>

#include "model/graph_walk.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/model.h"
#include "prune2to4/statistics.h"
#include "prune2to4/text_batch.h"

namespace prune2to4 {
namespace {

struct Shape {
  int64_t batch;
  int64_t sequence;
};

constexpr size_t kMostShapes = 64;

// Small integers among the graph's constants, ascending: a trace that wired its shape in names it there.
std::set<int64_t> small_constants(const torch::jit::Module& model, int64_t largest) {
  std::set<int64_t> constants;
  auto graph = model.get_method("forward").graph();
  for_each_node(graph->block(), [&](torch::jit::Node* node) {
    if (node->kind() != c10::prim::Constant) return;
    const auto value = torch::jit::toIValue(node->output());
    if (value && value->isInt() && value->toInt() > 0 && value->toInt() <= largest)
      constants.insert(value->toInt());
  });
  return constants;
}

// Shapes worth trying, short first: it costs least, and only a trace that wired its shape in refuses it.
std::vector<Shape> candidate_shapes(const torch::jit::Module& model) {
  std::vector<Shape> shapes;
  for (const int64_t sequence : {16, 384, 128, 512, 256, 64, 32}) {
    for (const int64_t batch : {2, 1}) shapes.push_back({batch, sequence});
  }
  for (const int64_t sequence : small_constants(model, 512)) {
    for (const int64_t batch : small_constants(model, 8)) {
      if (sequence > 3 && shapes.size() < kMostShapes) shapes.push_back({batch, sequence});
    }
  }
  return shapes;
}

// Rows of the word embedding; where none is known, of the largest matrix that could be one.
int64_t vocabulary_size(const torch::jit::Module& model) {
  if (const int64_t rows = text_limits(model).vocabulary; rows > 0) return rows;
  int64_t largest = 2;
  for (const at::Tensor& parameter : model.parameters()) {
    if (parameter.dim() == 2) largest = std::max(largest, parameter.size(0));
  }
  return largest;
}

// Random ids; the second row is padded behind five eighths of its length.
TextBatch random_batch(int64_t batch, int64_t sequence, int64_t vocabulary) {
  at::Tensor mask = at::ones({batch, sequence}, at::kLong);
  if (batch > 1) mask.select(0, 1).slice(0, sequence * 5 / 8).zero_();
  return {at::randint(0, vocabulary, {batch, sequence}, at::kLong), mask, at::zeros_like(mask)};
}

bool takes_one_tensor(const torch::jit::Module& model) {
  const auto& all = model.get_method("forward").function().getSchema().arguments();
  int64_t required = 0;
  for (size_t i = 1; i < all.size(); ++i) required += !all[i].default_value();
  return required == 1 && all.size() > 1 && all[1].type()->isSubtypeOf(*c10::TensorType::get());
}

std::vector<at::Tensor> run(torch::jit::Module& model, const std::vector<c10::IValue>& inputs,
                            uint64_t seed) {
  const c10::InferenceMode inference;
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  at::manual_seed(seed);
  auto outputs = output_tensors(model.forward(inputs));
  for (at::Tensor& output : outputs) output = output.to(at::kCPU);
  return outputs;
}

bool try_run(torch::jit::Module& model, uint64_t seed, Probe& probe) {
  try {
    probe.outputs = run(model, probe.inputs, seed);
    probe.failure = probe.outputs.empty() ? "forward returns no tensor" : "";
  } catch (const c10::Error& error) {
    probe.failure = std::string("forward failed: ") + error.what_without_backtrace();
  } catch (const std::exception& error) {
    probe.failure = std::string("forward failed: ") + error.what();
  }
  return probe.failure.empty();
}

}  // namespace

Probe make_probe(torch::jit::Module model, int64_t first_linear_width, at::Device device, uint64_t seed) {
  Probe probe;
  at::manual_seed(seed);
  const int64_t vocabulary = vocabulary_size(model);
  if (forward_inputs(model, random_batch(1, 1, vocabulary), at::kCPU).empty()) {
    if (takes_one_tensor(model)) {
      probe.batch = 2;
      probe.inputs = {at::randn({2, first_linear_width}).to(device, floating_type(model))};
      try_run(model, seed, probe);
    } else {
      probe.failure =
          "forward takes arguments that are not input_ids, attention_mask, token_type_ids or position_ids";
    }
    return probe;
  }
  std::string first_failure;
  for (const Shape& shape : candidate_shapes(model)) {
    probe.batch = shape.batch;
    probe.sequence = shape.sequence;
    probe.inputs = forward_inputs(model, random_batch(shape.batch, shape.sequence, vocabulary), device);
    if (try_run(model, seed, probe)) return probe;
    if (first_failure.empty()) first_failure = probe.failure;
    throw_if_interrupted();
  }
  probe.failure = first_failure;
  return probe;
}

std::vector<at::Tensor> run_probe(torch::jit::Module model, const Probe& probe, uint64_t seed) {
  return run(model, probe.inputs, seed);
}

OutputDifference compare_outputs(const std::vector<at::Tensor>& first,
                                 const std::vector<at::Tensor>& second) {
  OutputDifference result;
  if (first.size() != second.size()) {
    result.largest_difference = std::nan("");
    return result;
  }
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i].numel() == 0) continue;
    const at::Tensor a = first[i].to(at::kDouble);
    const at::Tensor b = second[i].to(at::kDouble);
    const at::Tensor same = a.eq(b).logical_or(at::isnan(a).logical_and(at::isnan(b)));
    const double difference = at::where(same, at::zeros_like(a), (a - b).abs()).max().item<double>();
    result.largest_difference = worse(result.largest_difference, difference);
    result.largest_value =
        std::max(result.largest_value, at::nan_to_num(a, 0, 0, 0).abs().max().item<double>());
  }
  return result;
}

}  // namespace prune2to4
