// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/probe.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <set>

#include "model/input_spec.h"
#include "model/probe_run.h"
#include "prune2to4/interrupt.h"

namespace prune2to4 {
namespace {

using Content = InputSpec::Content;

constexpr size_t kMostTrials = 256;
constexpr size_t kLeastTrials = 32;
constexpr std::chrono::seconds kLongestSearch{10};
constexpr size_t kMostCombinations = 32;
constexpr size_t kLikelySizes = 4;
constexpr size_t kLikelyCombinations = 4;

// How random inputs are drawn. The first suits most models; others are for those that take a logarithm, or
// whose masks are true where nothing is to be seen.
struct Drawing {
  bool positive = false;
  bool inverted_masks = false;
};
constexpr std::array<Drawing, 4> kDrawings{{{false, false}, {true, false}, {false, true}, {true, true}}};

// Which of each input's shapes and types are tried.
struct Choice {
  std::vector<size_t> shapes;
  size_t dtype = 0;
  OpenSizes sizes;
};

at::ScalarType dtype_of(const InputSpec& spec, size_t choice) {
  return spec.dtypes[std::min(choice, spec.dtypes.size() - 1)];
}

// Ones, and zeros behind five eighths of the last row's length; of one dimension, the last element is zero.
at::Tensor random_mask(const std::vector<int64_t>& shape, bool inverted) {
  at::Tensor mask = at::ones(shape, at::kLong);
  if (!shape.empty() && shape.front() > 1) {
    at::Tensor last = mask.narrow(0, shape.front() - 1, 1);
    if (shape.size() > 1) last = last.slice(-1, shape.back() * 5 / 8);
    last.zero_();
  }
  return inverted ? 1 - mask : mask;
}

c10::IValue random_input(const InputSpec& spec, const Choice& choice, size_t input, const Drawing& drawing) {
  if (spec.content == Content::kScalar) {
    if (spec.type.starts_with("Optional")) return {};
    if (spec.type == "bool") return false;
    return spec.type == "int" ? c10::IValue(1) : c10::IValue(1.0);
  }
  const std::vector<int64_t> shape = shape_of(spec.shapes[choice.shapes[input]], choice.sizes);
  const at::ScalarType dtype = dtype_of(spec, choice.dtype);
  // What is not known to be wider than 2 is an index of at most 1.
  if (spec.content == Content::kIds)
    return at::randint(0, std::max<int64_t>(1, spec.bound > 0 ? spec.bound : 2), shape, at::kLong).to(dtype);
  if (spec.content == Content::kMask) return random_mask(shape, drawing.inverted_masks).to(dtype);
  return (drawing.positive ? at::rand(shape, at::kFloat) : at::randn(shape, at::kFloat)).to(dtype);
}

std::vector<c10::IValue> random_inputs(const InputSpecs& specs, const Choice& choice, const Drawing& drawing,
                                       uint64_t seed) {
  at::manual_seed(seed);
  std::vector<c10::IValue> inputs;
  for (size_t i = 0; i < specs.inputs.size(); ++i) {
    inputs.push_back(random_input(specs.inputs[i], choice, i, drawing));
  }
  return inputs;
}

// 2: all finite; 1: some are; 0: none, or no elements.
int finite_share(const std::vector<at::Tensor>& outputs) {
  int64_t elements = 0;
  int64_t finite = 0;
  for (const at::Tensor& output : outputs) {
    elements += output.numel();
    finite += at::isfinite(output).sum().item<int64_t>();
  }
  return finite == 0 ? 0 : finite == elements ? 2 : 1;
}

// Every combination of the inputs' shapes, the likeliest first.
std::vector<std::vector<size_t>> shape_choices(const InputSpecs& specs) {
  std::vector<std::vector<size_t>> choices{{}};
  for (const InputSpec& spec : specs.inputs) {
    std::vector<std::vector<size_t>> longer;
    for (const auto& choice : choices) {
      for (size_t shape = 0; shape < std::max<size_t>(1, spec.shapes.size()); ++shape) {
        longer.push_back(choice);
        longer.back().push_back(shape);
      }
    }
    choices = std::move(longer);
    std::stable_sort(choices.begin(), choices.end(), [](const auto& a, const auto& b) {
      return std::accumulate(a.begin(), a.end(), size_t{0}) < std::accumulate(b.begin(), b.end(), size_t{0});
    });
    if (choices.size() > kMostCombinations) choices.resize(kMostCombinations);
  }
  return choices;
}

// Looks for inputs on which the model runs, and to which it answers.
class Search {
 public:
  Search(torch::jit::Module& model, const InputSpecs& specs, at::Device device, uint64_t seed, Probe& probe)
      : model_(model), specs_(specs), device_(device), seed_(seed), probe_(probe) {}

  // Every combination of shapes at the likeliest sizes; then the likeliest combinations at all sizes.
  void run() {
    const auto shapes = shape_choices(specs_);
    const size_t all = specs_.sizes.size();
    const size_t first = std::min(kLikelySizes, all);
    if (!try_all(shapes, shapes.size(), 0, first)) {
      try_all(shapes, std::min(kLikelyCombinations, shapes.size()), first, all);
    }
  }

 private:
  // Sizes of numbers [begin, end). Returns whether the search is over.
  bool try_all(const std::vector<std::vector<size_t>>& shapes, size_t combinations, size_t begin,
               size_t end) {
    size_t dtypes = 1;
    for (const InputSpec& spec : specs_.inputs) dtypes = std::max(dtypes, spec.dtypes.size());
    for (size_t dtype = 0; dtype < dtypes; ++dtype) {
      for (size_t i = 0; i < combinations; ++i) {
        for (size_t size = begin; size < end; ++size) {
          if (tried_.size() >= kMostTrials || (tried_.size() > kLeastTrials && late())) return true;
          if (try_choice({shapes[i], dtype, specs_.sizes[size]})) return true;
          throw_if_interrupted();
        }
      }
    }
    return false;
  }

  bool late() const { return std::chrono::steady_clock::now() - start_ > kLongestSearch; }

  bool try_choice(const Choice& choice) {
    const auto inputs = random_inputs(specs_, choice, kDrawings.front(), seed_);
    std::string signature;
    for (const c10::IValue& input : inputs) {
      if (input.isTensor()) signature += c10::str(input.toTensor().scalar_type(), input.toTensor().sizes());
    }
    if (!tried_.insert(signature).second) return false;
    std::string failure;
    const auto outputs = try_forward(model_, inputs, device_, seed_, failure);
    if (!failure.empty()) {
      if (probe_.failure.empty()) probe_.failure = failure;
      return false;
    }
    probe_.failure.clear();
    draw(choice);
    return true;
  }

  // Keeps the best of the ways to draw.
  void draw(const Choice& choice) {
    int best = 0;
    std::string failure = "forward gives nothing but NaN and infinity for random inputs";
    for (const Drawing& drawing : kDrawings) {
      const auto inputs = random_inputs(specs_, choice, drawing, seed_);
      std::string failed;
      const auto outputs = try_forward(model_, inputs, device_, seed_, failed);
      const int finite = failed.empty() ? finite_share(outputs) : 0;
      if (finite <= best) continue;
      if (!depends(outputs, choice, drawing)) {
        failure = "forward gives the same outputs for all random inputs";
        continue;
      }
      best = finite;
      keep(choice, inputs, outputs);
      if (best == 2) break;
    }
    if (best == 0) probe_.failure = failure;
  }

  bool depends(const std::vector<at::Tensor>& outputs, const Choice& choice, const Drawing& drawing) {
    if (specs_.inputs.empty()) return true;
    std::string failed;
    const auto others =
        try_forward(model_, random_inputs(specs_, choice, drawing, seed_ + 1), device_, seed_, failed);
    if (!failed.empty()) return true;
    const OutputDifference difference = compare_outputs(outputs, others);
    return difference.largest_difference != 0 || difference.changed_integers > 0;
  }

  void keep(const Choice& choice, const std::vector<c10::IValue>& inputs,
            const std::vector<at::Tensor>& outputs) {
    probe_.inputs = inputs;
    probe_.outputs = outputs;
    probe_.sequence = specs_.has_sequence ? choice.sizes.sequence : 0;
  }

  torch::jit::Module& model_;
  const InputSpecs& specs_;
  at::Device device_;
  uint64_t seed_;
  Probe& probe_;
  std::set<std::string> tried_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

Probe make_probe(torch::jit::Module model, at::Device device, uint64_t seed, const Examples& examples) {
  const InputSpecs specs = input_specs(model, examples);
  Probe probe;
  probe.needs = description(specs);
  for (const InputSpec& spec : specs.inputs) {
    probe.names.push_back(spec.name);
    if (spec.content != Content::kUnknown) continue;
    probe.failure = "forward takes arguments that no random value can be made for: " + description(spec);
    return probe;
  }
  Search(model, specs, device, seed, probe).run();
  if (!probe.failure.empty()) return probe;
  for (const c10::IValue& input : probe.inputs) {
    if (!input.isTensor() || input.toTensor().dim() == 0) continue;
    probe.batch = input.toTensor().size(0);
    break;
  }
  if (!is_repeatable(model, probe.inputs, device, seed, probe.outputs)) {
    probe.failure = "two runs of the masked model on one batch differ, as with dropout that is live";
  }
  return probe;
}

}  // namespace prune2to4
