// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/runner.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <optional>

#include "prune2to4/error.h"
#include "prune2to4/model.h"
#include "prune2to4/probe.h"

namespace prune2to4 {
namespace {

// Short, and unlike what a trace is likely to have wired in.
constexpr int64_t kTrialLength = 11;

bool is_logits(const at::Tensor& tensor, at::IntArrayRef shape) {
  return tensor.is_floating_point() && tensor.sizes() == shape;
}

at::Tensor on_host(const at::Tensor& logits) { return logits.to(at::kCPU, at::kFloat).contiguous(); }

// The interpreter turns LibTorch's own exceptions into std::runtime_error: only their text is left.
[[noreturn]] void rethrow(const std::string& name, const std::string& reason) {
  const auto says = [&](const char* what) { return reason.find(what) != std::string::npos; };
  if (says("out of memory") || says("can't allocate memory")) {
    throw Error(ExitStatus::kDevice, "run",
                name + ": the device's memory is not enough; lower --batch-tokens");
  }
  if (says("index out of range")) {
    throw Error(ExitStatus::kData, "run",
                name +
                    ": an id of the data is out of the range of the model's embeddings; tokenize with the "
                    "model's own tokenizer");
  }
  throw Error(ExitStatus::kModel, "run", name + ": forward failed: " + reason);
}

// A trace has its devices wired in; rewritten, they follow the input.
torch::jit::Module moved(torch::jit::Module module, at::Device device, bool trust_model) {
  if (device.is_cpu()) return module;
  try {
    const InlinedModel inlined(module, trust_model);
    if (inlined.packed_calls() == 0) return inlined.rewrite({}, device);
  } catch (const Error&) {  // what cannot be inlined may still run
  }
  module.to(device);
  return module;
}

}  // namespace

std::optional<SpanLogits> find_logits(const c10::IValue& output, at::IntArrayRef shape) {
  std::vector<at::Tensor> found;
  for (const at::Tensor& tensor : output_tensors(output)) {
    if (is_logits(tensor, shape)) found.push_back(tensor);
    if (is_logits(tensor, {shape[0], shape[1], 2})) found = {tensor.select(-1, 0), tensor.select(-1, 1)};
    if (found.size() == 2) return SpanLogits{found[0], found[1]};
  }
  return std::nullopt;
}

Runner::Runner(std::string name, torch::jit::Module model, at::Device device)
    : name_(std::move(name)), model_(std::move(model)), device_(device), limits_(text_limits(model_)) {
  learn_shapes();
}

SpanLogits Runner::forward(const TextBatch& batch) {
  const c10::InferenceMode inference;
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  auto inputs = forward_inputs(model_, batch, device_);
  if (inputs.empty()) {
    throw Error(ExitStatus::kModel, "run",
                name_ +
                    ": forward takes arguments that are not input_ids, attention_mask, token_type_ids or "
                    "position_ids; export it with scripts/export_bert.py");
  }
  auto logits = find_logits(model_.forward(std::move(inputs)), batch.input_ids.sizes());
  if (!logits) {
    throw Error(ExitStatus::kModel, "run",
                name_ +
                    ": forward gives no start and end logits, [batch, length] each; is it a "
                    "question-answering model?");
  }
  return {on_host(logits->start), on_host(logits->end)};
}

SpanLogits Runner::run(const TextBatch& batch) {
  try {
    return forward(batch);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    rethrow(name_, error.what_without_backtrace());
  } catch (const std::runtime_error& error) {
    rethrow(name_, error.what());
  }
}

bool Runner::accepts(int64_t batch, int64_t length) {
  const at::Tensor zeros = at::zeros({batch, length}, at::kLong);
  try {
    forward({zeros, at::ones({batch, length}, at::kLong), zeros});
    return true;
  } catch (const Error&) {
    throw;
  } catch (const std::exception&) {
    return false;
  }
}

void Runner::learn_shapes() {
  const int64_t longest = limits_.positions > 0 ? limits_.positions : kTrialLength;
  const int64_t length = std::min(kTrialLength, longest);
  if (accepts(2, length) && accepts(1, (length + 1) / 2)) return;
  const Probe probe = make_probe(model_, 1, device_, 0);
  if (!probe.failure.empty()) throw Error(ExitStatus::kModel, "run", name_ + ": " + probe.failure);
  fixed_length_ = probe.sequence;
  if (!accepts(probe.batch + 1, probe.sequence)) fixed_batch_ = probe.batch;
}

Runner load_runner(const std::filesystem::path& path, at::Device device, bool trust_model,
                   std::string& sha256) {
  Archive archive = Archive::read(path);
  gate_archive(archive, trust_model);
  sha256 = archive.sha256();
  return {path.filename().string(), moved(load_model(std::move(archive)), device, trust_model), device};
}

}  // namespace prune2to4
