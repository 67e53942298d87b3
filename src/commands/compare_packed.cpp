// SPDX-License-Identifier: Apache-2.0
#include "commands/compare_packed.h"

#include <algorithm>

#include "prune2to4/error.h"
#include "prune2to4/table.h"

namespace prune2to4 {
namespace {

void check_difference(const OutputDifference& difference, at::ScalarType dtype) {
  const double tolerance = (dtype == at::kFloat ? 1e-3 : 5e-2) * std::max(1.0, difference.largest_value);
  if (difference.largest_difference <= tolerance) return;
  throw Error(ExitStatus::kModel, "compare",
              "the packed model's outputs differ from the masked dense model's by " +
                  format_number(difference.largest_difference) + "; nothing was written. Please report this");
}

}  // namespace

Probe probe_masked(const InlinedModel& model, at::Device device, uint64_t seed) {
  return make_probe(model.rewrite({}, device), model.linears().front().weight.size(-1), device, seed);
}

ProbeReport compare_packed(const torch::jit::Module& sparse, const Probe& probe, at::Device device,
                           uint64_t seed) {
  ProbeReport report;
  report.batch = probe.batch;
  report.sequence = probe.sequence;
  report.device = device.str();
  report.reason = probe.failure;
  if (!probe.failure.empty()) return report;
  const std::vector<at::Tensor> outputs = run_probe(sparse, probe, seed);
  const OutputDifference difference = compare_outputs(probe.outputs, outputs);
  check_difference(difference, outputs.front().scalar_type());
  report.ran = true;
  report.dtype = dtype_name(outputs.front().scalar_type());
  report.largest_logit = difference.largest_value;
  report.largest_logit_difference = difference.largest_difference;
  return report;
}

}  // namespace prune2to4
