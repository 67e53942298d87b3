// SPDX-License-Identifier: Apache-2.0
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>

#include <cmath>

#include "bench/device_clock.h"
#include "prune2to4/bench.h"
#include "prune2to4/fused_linear.h"
#include "prune2to4/mask.h"
#include "prune2to4/model.h"
#include "prune2to4/probe.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

constexpr const char* kLayerName = "layer";

}  // namespace

BenchLinear::BenchLinear(const BenchLayer& layer, at::Device device, at::ScalarType dtype, uint64_t seed)
    : seed_(seed) {
  const c10::InferenceMode inference;
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  // Outputs of about the inputs' size, as in a model.
  const double scale = 1 / std::sqrt(static_cast<double>(layer.cols));
  at::Tensor weight = at::randn({layer.rows, layer.cols}, generator).mul_(scale).to(dtype);
  apply_mask(weight.mutable_data_ptr(), weight.element_size(), weight_norm_mask(weight, {}));
  packed_ = PackedWeight::pack(weight, kLayerName);
  weight_ = weight.to(device);
  bias_ = at::randn({layer.rows}, generator).mul_(scale).to(device, dtype);
}

std::vector<BenchModel> BenchLinear::models() const {
  const std::string dtype = dtype_name(weight_.scalar_type());
  const auto bias = static_cast<int64_t>(bias_.nbytes());
  const double peak = peak_teraflops(weight_.device(), weight_.scalar_type());
  const int64_t dense = static_cast<int64_t>(weight_.nbytes()) + bias;
  return {{"2:4", "", "FusedLinear", dtype, false, packed_->nbytes() + bias, peak},
          {"dense", "", "FusedLinear", dtype, false, dense, peak},
          {"LibTorch", "", "at::linear", dtype, false, dense, peak}};
}

BenchPoint BenchLinear::run(int64_t tokens, const MeasureOptions& options) const {
  const c10::InferenceMode inference;
  const at::Device device = bias_.device();
  const FusedLinear sparse(packed_, bias_);
  const FusedLinear dense(kLayerName, weight_, bias_);
  // Another seed: the weight's own numbers again would give outputs like no model's.
  const at::Tensor x =
      at::randn({tokens, weight_.size(1)}, at::make_generator<at::CPUGeneratorImpl>(seed_ + 1))
          .to(device, weight_.scalar_type());
  BenchPoint point;
  point.tokens = static_cast<double>(tokens);
  point.flops = 2 * point.tokens * static_cast<double>(weight_.numel());
  const OutputDifference difference =
      compare_outputs({sparse.run(x, Activation::kNone)}, {dense.run(x, Activation::kNone)});
  point.largest_difference = difference.largest_difference;
  point.largest_output = difference.largest_value;

  Contest contest = contest_on(device);
  for (const FusedLinear* linear : {&sparse, &dense}) {
    contest.calls.emplace_back([linear, &x] { linear->run(x, Activation::kNone); });
  }
  contest.calls.emplace_back([this, &x] { at::linear(x, weight_, bias_); });
  Measurement measurement = measure(contest, fitted(options, device));
  point.calls = measurement.calls;
  const auto add = [&](const std::string& kernel) {
    std::vector<double>& seconds = measurement.seconds[point.timings.size()];
    point.timings.push_back({statistics(std::move(seconds)), {{kLayerName, kernel}}, {}});
  };
  add(sparse.kernel(tokens, Activation::kNone));
  add(dense.kernel(tokens, Activation::kNone));
  add("dense");
  return point;
}

}  // namespace prune2to4
