// SPDX-License-Identifier: Apache-2.0
#include "commands/compare_packed.h"

#include <algorithm>

#include "prune2to4/error.h"
#include "prune2to4/table.h"
#include "prune2to4/text_batch.h"

namespace prune2to4 {
namespace {

// A class or an index may flip where two logits are nearly equal; more of them do not.
constexpr int64_t kFlipsOneIn = 10;

[[noreturn]] void refuse(const std::string& difference) {
  throw Error(ExitStatus::kModel, "compare",
              "the packed model's outputs differ from the masked dense model's" + difference +
                  "; nothing was written. Please report this");
}

void check_difference(const OutputDifference& difference, at::ScalarType dtype) {
  if (difference.changed_integers > 1 && difference.changed_integers * kFlipsOneIn > difference.integers) {
    refuse(" in " + std::to_string(difference.changed_integers) + " of " +
           std::to_string(difference.integers) + " integers");
  }
  const double tolerance = (dtype == at::kFloat ? 1e-3 : 5e-2) * std::max(1.0, difference.largest_value);
  if (!(difference.largest_difference <= tolerance)) {
    refuse(" by " + format_number(difference.largest_difference));
  }
}

// The dtype is that of the first floating output, or of the first one where none is floating.
at::ScalarType output_type(const std::vector<at::Tensor>& outputs) {
  const auto floating = std::find_if(outputs.begin(), outputs.end(),
                                     [](const at::Tensor& output) { return output.is_floating_point(); });
  return (floating == outputs.end() ? outputs.front() : *floating).scalar_type();
}

std::vector<ProbeInput> described_inputs(const Probe& probe) {
  std::vector<ProbeInput> inputs;
  for (size_t i = 0; i < probe.inputs.size(); ++i) {
    const auto tensors = output_tensors(probe.inputs[i]);
    for (size_t j = 0; j < tensors.size(); ++j) {
      const std::string name = probe.names[i] + (probe.inputs[i].isTensor() ? "" : "." + std::to_string(j));
      inputs.push_back({name, dtype_name(tensors[j].scalar_type()), tensors[j].sizes().vec()});
    }
  }
  return inputs;
}

}  // namespace

Probe probe_masked(const InlinedModel& model, const Examples& examples, const std::string& file,
                   at::Device device, uint64_t seed) {
  // On the CPU first: there an id out of a table's bounds is an exception, on a GPU the end of its context.
  const torch::jit::Module on_cpu = model.rewrite({});
  Probe probe = file.empty() ? make_probe(on_cpu, at::kCPU, seed, examples)
                             : read_probe(on_cpu, at::kCPU, seed, examples, file);
  if (!device.is_cpu() && probe.failure.empty()) {
    probe.outputs = run_probe(model.rewrite({}, device), probe, device, seed);
  }
  return probe;
}

std::string not_compared(const Probe& probe) {
  std::string text = "the packed model was not compared with the masked dense one: " + probe.failure;
  if (!probe.needs.empty()) text += "; --probe FILE.safetensors can give it inputs by name: " + probe.needs;
  return text;
}

ProbeReport compare_packed(const torch::jit::Module& sparse, const Probe& probe, at::Device device,
                           uint64_t seed) {
  ProbeReport report;
  report.batch = probe.batch;
  report.sequence = probe.sequence;
  report.device = device.str();
  report.reason = probe.failure;
  report.needs = probe.needs;
  if (!probe.failure.empty()) return report;
  const std::vector<at::Tensor> outputs = run_probe(sparse, probe, device, seed);
  const OutputDifference difference = compare_outputs(probe.outputs, outputs);
  const at::ScalarType dtype = output_type(outputs);
  check_difference(difference, dtype);
  report.ran = true;
  report.inputs = described_inputs(probe);
  report.dtype = dtype_name(dtype);
  report.largest_logit = difference.largest_value;
  report.largest_logit_difference = difference.largest_difference;
  report.integers = difference.integers;
  report.changed_integers = difference.changed_integers;
  return report;
}

}  // namespace prune2to4
