// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "bench/device_clock.h"
#include "bench/kernel_profile.h"
#include "prune2to4/bench.h"
#include "prune2to4/cuda_backend.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/probe.h"

namespace prune2to4 {
namespace {

using Prepared = std::vector<std::unique_ptr<PreparedBatch>>;  // one runner's batches

// What stands at padding is nobody's business.
std::vector<at::Tensor> real_logits(const SpanLogits& logits, const TextBatch& batch) {
  const at::Tensor real = batch.attention_mask.to(at::kBool);
  return {logits.start.masked_select(real), logits.end.masked_select(real)};
}

// Each batch's outputs are read before the next one runs: they may share memory.
void compare(const std::vector<Prepared>& prepared, const BenchInput& input, BenchPoint& point) {
  double difference = 0;
  double largest = 0;
  for (size_t batch = 0; batch < input.batches.size(); ++batch) {
    std::vector<std::vector<at::Tensor>> outputs;
    for (const Prepared& each : prepared) {
      throw_if_interrupted();
      each[batch]->run();
      outputs.push_back(real_logits(each[batch]->logits(), input.batches[batch]));
    }
    const OutputDifference found = compare_outputs(outputs.front(), outputs.back());
    difference = worse(difference, found.largest_difference);
    largest = std::max(largest, found.largest_value);
  }
  point.largest_output = largest;
  if (prepared.size() > 1) point.largest_difference = difference;
}

std::vector<KernelTime> profile_batch(const Contest& contest, size_t contestant, int64_t batches) {
  std::vector<KernelTime> kernels = profile_kernels([&] {
    contest.calls[contestant]();
    contest.wait();
  });
  for (KernelTime& kernel : kernels) {
    kernel.calls /= static_cast<double>(batches);
    kernel.seconds /= static_cast<double>(batches);
  }
  return kernels;
}

BenchPoint describe(const BenchInput& input, const std::optional<EncoderSize>& size) {
  const auto batches = static_cast<double>(input.batches.size());
  BenchPoint point;
  point.batch = input.batch;
  point.length = input.length;
  point.batches = static_cast<int64_t>(input.batches.size());
  point.tokens =
      static_cast<double>(std::accumulate(input.lengths.begin(), input.lengths.end(), int64_t{0})) / batches;
  if (size) point.flops = encoder_flops(*size, input.lengths) / batches;
  return point;
}

}  // namespace

double peak_teraflops(at::Device device, at::ScalarType dtype) {
  return device.is_cpu() ? 0 : cuda_backend().peak_flops(device, dtype) / 1e12;
}

BenchPoint bench_models(const std::vector<Runner*>& runners, const BenchInput& input,
                        const std::optional<EncoderSize>& size, const MeasureOptions& options, bool profile) {
  const at::Device device = runners.front()->device();
  if (!device.is_cpu()) cuda_backend().reset_peak_bytes(device);
  BenchPoint point = describe(input, size);
  std::vector<Prepared> prepared(runners.size());
  Contest contest = contest_on(device);
  for (size_t i = 0; i < runners.size(); ++i) {
    for (const TextBatch& batch : input.batches) prepared[i].push_back(runners[i]->prepare(batch));
    contest.calls.emplace_back([&batches = prepared[i]] {
      for (const auto& batch : batches) batch->run();
    });
  }
  compare(prepared, input, point);
  Measurement measurement = measure(contest, fitted(options, device));
  point.calls = measurement.calls;
  for (size_t i = 0; i < runners.size(); ++i) {
    for (double& seconds : measurement.seconds[i]) seconds /= static_cast<double>(point.batches);
    const double computed =
        runners[i]->removes_padding() ? point.tokens : static_cast<double>(point.batch * point.length);
    point.timings.push_back(
        {statistics(std::move(measurement.seconds[i])), runners[i]->kernels(std::llround(computed)), {}});
    if (profile && !device.is_cpu()) point.timings.back().profile = profile_batch(contest, i, point.batches);
  }
  if (!device.is_cpu()) point.peak_bytes = cuda_backend().peak_bytes(device);
  return point;
}

}  // namespace prune2to4
