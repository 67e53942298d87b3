// SPDX-License-Identifier: Apache-2.0
#include "bench/device_clock.h"

#include "prune2to4/cuda_backend.h"

namespace prune2to4 {
namespace {

constexpr double kGpuRepeat = 0.05;  // seconds

}  // namespace

Contest contest_on(at::Device device) {
  Contest contest{{}, [] {}, steady_seconds};
  if (!device.is_cpu()) contest.wait = [device] { cuda_backend().synchronize(device); };
  return contest;
}

MeasureOptions fitted(MeasureOptions options, at::Device device) {
  if (!device.is_cpu()) options.seconds_per_repeat = kGpuRepeat;
  return options;
}

}  // namespace prune2to4
