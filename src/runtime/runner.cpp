// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/runner.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <optional>
#include <set>

#include "prune2to4/error.h"
#include "prune2to4/graph_walk.h"
#include "prune2to4/model.h"
#include "prune2to4/probe.h"
#include "prune2to4/statistics.h"
#include "runtime/engine/encoder_engine.h"

namespace prune2to4 {
namespace {

// Short, and unlike what a trace is likely to have wired in.
constexpr int64_t kTrialLength = 11;

// Below it are ranks, dimensions and dtypes.
constexpr int64_t kShortestWired = 4;
constexpr int64_t kLargestWiredBatch = 8;
constexpr int64_t kLongestWired = 512;  // where the model has no known number of positions

std::vector<int64_t> wired_batches(const std::set<int64_t>& constants) {
  std::vector<int64_t> batches{2, 1};
  for (const int64_t each : constants) {
    if (each > 2 && each <= kLargestWiredBatch) batches.push_back(each);
  }
  return batches;
}

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

// What to do about a trace that was made in one dtype and runs in another.
std::string dtype_hint(const std::string& reason) {
  const auto says = [&](const char* what) { return reason.find(what) != std::string::npos; };
  if (!says("same dtype") && !says("expected scalar type")) return "";
  return "; its trace has another dtype wired in than its weights have: leave --dtype out, or export it in "
         "that "
         "dtype (scripts/export_bert.py --dtype)";
}

template <typename Action>
auto translated(const std::string& name, const Action& action) {
  try {
    return action();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    rethrow(name, error.what_without_backtrace());
  } catch (const std::runtime_error& error) {
    rethrow(name, error.what());
  }
}

class InterpretedBatch final : public PreparedBatch {
 public:
  InterpretedBatch(std::string name, torch::jit::Module model, const InputRoles& roles, at::Device device,
                   const TextBatch& batch)
      : name_(std::move(name)), model_(std::move(model)), shape_(batch.input_ids.sizes().vec()) {
    const c10::InferenceMode inference;
    inputs_ = forward_inputs(model_, roles, batch, device);
  }

  void run() override {
    const c10::InferenceMode inference;
    const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
    logits_ = find_logits(model_.forward(inputs_), shape_);
    if (logits_) return;
    throw Error(ExitStatus::kModel, "run",
                name_ +
                    ": forward gives no start and end logits, [batch, length] each; is it a "
                    "question-answering model?");
  }

  SpanLogits logits() override {
    const c10::InferenceMode inference;
    return {on_host(logits_->start), on_host(logits_->end)};
  }

 private:
  std::string name_;
  torch::jit::Module model_;
  std::vector<int64_t> shape_;
  std::vector<c10::IValue> inputs_;
  std::optional<SpanLogits> logits_;
};

// Throws what Runner::run() throws.
class TranslatedBatch final : public PreparedBatch {
 public:
  TranslatedBatch(std::string name, std::unique_ptr<PreparedBatch> batch)
      : name_(std::move(name)), batch_(std::move(batch)) {}

  void run() override {
    translated(name_, [&] { batch_->run(); });
  }
  SpanLogits logits() override {
    return translated(name_, [&] { return batch_->logits(); });
  }

 private:
  std::string name_;
  std::unique_ptr<PreparedBatch> batch_;
};

// A trace has its devices wired in; rewritten, they follow the input. Packed weights follow it by themselves,
// in device and dtype.
torch::jit::Module moved(torch::jit::Module module, at::Device device, std::optional<at::ScalarType> dtype,
                         bool trust_model) {
  if (device.is_cpu() && !dtype) return module;
  try {
    InlinedModel inlined(module, trust_model);
    if (dtype) inlined.to(*dtype);
    if (inlined.packed_calls() == 0) return inlined.rewrite({}, device);
  } catch (const Error&) {
    if (dtype) throw;  // what cannot be inlined may still run as it is
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

void with_forward_errors(const std::string& name, const std::function<void()>& action) {
  translated(name, action);
}

double logit_difference(const SpanLogits& logits, const SpanLogits& wanted, const at::Tensor& real) {
  double largest = 0;
  double value = 1;
  for (const auto part : {&SpanLogits::start, &SpanLogits::end}) {
    const at::Tensor expected = (wanted.*part).masked_select(real);
    const double found = ((logits.*part).masked_select(real) - expected).abs().max().item<double>();
    largest = worse(largest, found);
    value = std::max(value, expected.abs().max().item<double>());
  }
  return largest / value;
}

Runner::Runner(std::string name, torch::jit::Module model, at::Device device, const RunnerOptions& options)
    : name_(std::move(name)),
      model_(std::move(model)),
      device_(device),
      roles_(input_roles(model_, roles_reason_)),
      limits_(text_limits(model_)) {
  learn_shapes();
  if (options.engine) use_engine(options);
}

Runner::~Runner() = default;
Runner::Runner(Runner&&) noexcept = default;

void Runner::use_engine(const RunnerOptions& options) {
  if (!options.engine_anywhere) {
    const at::ScalarType type = floating_type(model_);
    const bool cpu = device_.is_cpu();
    if (type != at::kBFloat16 && type != (cpu ? at::kFloat : at::kHalf)) {
      engine_ += cpu ? " (on a CPU the encoder engine runs fp32 and bf16)"
                     : " (on a GPU the encoder engine runs fp16 and bf16)";
      return;
    }
  }
  std::string reason;
  const Reference reference{[this](const TextBatch& batch) { return forward(batch); }, *roles_, fixed_batch_,
                            fixed_length_};
  try {
    encoder_ = make_encoder_engine(model_, reference, options.remove_padding, reason);
    reason = "no BERT encoder was recognised: " + reason;
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kDevice) throw;
    reason = error.what();
  } catch (const c10::Error& error) {
    reason = std::string("the encoder engine failed: ") + error.what_without_backtrace();
  } catch (const std::runtime_error& error) {
    reason = std::string("the encoder engine failed: ") + error.what();
  }
  if (!encoder_) {
    engine_ += " (" + reason + ")";
    return;
  }
  engine_ = "encoder engine";
  removes_padding_ = options.remove_padding;
  fixed_batch_ = fixed_length_ = 0;
}

std::unique_ptr<PreparedBatch> Runner::interpret(const TextBatch& batch) {
  if (!roles_) {
    throw Error(ExitStatus::kModel, "run",
                name_ +
                    ": forward takes arguments that are not input_ids, attention_mask, token_type_ids or "
                    "position_ids (" +
                    roles_reason_ + "); export it with scripts/export_bert.py");
  }
  return std::make_unique<InterpretedBatch>(name_, model_, *roles_, device_, batch);
}

// By the interpreter.
SpanLogits Runner::forward(const TextBatch& batch) {
  const auto prepared = interpret(batch);
  prepared->run();
  return prepared->logits();
}

std::unique_ptr<PreparedBatch> Runner::prepare(const TextBatch& batch) {
  return std::make_unique<TranslatedBatch>(name_, translated(name_, [&] {
                                             const auto text =
                                                 encoder_ ? encoder_->pack(batch) : std::nullopt;
                                             return text ? encoder_->prepare(*text) : interpret(batch);
                                           }));
}

SpanLogits Runner::run(const TextBatch& batch) {
  return translated(name_, [&] {
    const auto text = encoder_ ? encoder_->pack(batch) : std::nullopt;
    return text ? encoder_->run(*text) : forward(batch);
  });
}

std::vector<LayerKernel> Runner::kernels(int64_t tokens) const {
  return encoder_ ? encoder_->kernels(tokens) : std::vector<LayerKernel>{};
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
  const int64_t longest = limits_.positions > 0 ? limits_.positions : kLongestWired;
  const int64_t length = std::min(kTrialLength, longest);
  if (accepts(2, length) && accepts(1, (length + 1) / 2)) return;
  // A trace that wired its shape in names it among its constants.
  const std::set<int64_t> constants = integer_constants(model_);
  for (const int64_t wired : constants) {
    if (wired < kShortestWired || wired > longest) continue;
    for (const int64_t batch : wired_batches(constants)) {
      if (!accepts(batch, wired)) continue;
      fixed_length_ = wired;
      if (!accepts(batch + 1, wired)) fixed_batch_ = batch;
      return;
    }
  }
  const Probe probe = make_probe(model_, device_, 0);
  const std::string reason = probe.failure.empty() ? "forward takes no shape that was tried" : probe.failure;
  throw Error(ExitStatus::kModel, "run", name_ + ": " + reason + dtype_hint(reason));
}

Runner load_runner(const std::filesystem::path& path, at::Device device, std::optional<at::ScalarType> dtype,
                   bool trust_model, std::string& sha256, const RunnerOptions& options) {
  return {path.filename().string(), moved(load_model(path, trust_model, sha256), device, dtype, trust_model),
          device, options};
}

}  // namespace prune2to4
