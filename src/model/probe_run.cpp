// SPDX-License-Identifier: Apache-2.0
#include "model/probe_run.h"

#include <ATen/Context.h>
#include <ATen/ops/equal.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "prune2to4/graph_walk.h"
#include "prune2to4/probe.h"
#include "prune2to4/text_batch.h"

namespace prune2to4 {
namespace {

at::Tensor plain(at::Tensor tensor) {
  if (tensor.is_quantized()) tensor = tensor.dequantize();
  if (tensor.layout() != at::kStrided) tensor = tensor.to_dense();
  return tensor.to(at::kCPU);
}

// Copies, also of tensors within: forward may write into what it is given.
c10::IValue copied(const c10::IValue& value, at::Device device) {
  if (value.isTensor()) return value.toTensor().to(device, /*non_blocking=*/false, /*copy=*/true);
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(copied(tensor, device).toTensor());
    return list;
  }
  if (value.isTuple()) {
    std::vector<c10::IValue> elements;
    for (const c10::IValue& element : value.toTupleRef().elements())
      elements.push_back(copied(element, device));
    return c10::ivalue::Tuple::create(std::move(elements));
  }
  if (!value.isGenericDict()) return value;
  c10::Dict<std::string, at::Tensor> dictionary;
  for (const auto& entry : value.toGenericDict()) {
    dictionary.insert(entry.key().toStringRef(), copied(entry.value(), device).toTensor());
  }
  return dictionary;
}

// Puts a module's buffers back when it ends.
class KeptBuffers {
 public:
  explicit KeptBuffers(const torch::jit::Module& model) {
    for (const at::Tensor& buffer : model.buffers()) {
      if (buffer.defined()) buffers_.emplace_back(buffer, buffer.detach().clone());
    }
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;
  ~KeptBuffers() {
    for (const auto& [buffer, value] : buffers_) {
      if (buffer.sizes() == value.sizes() && !at::equal(buffer, value)) buffer.detach().copy_(value);
    }
  }

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> buffers_;
};

// The interpreter's messages hold a traceback; what failed stands behind its last "Error: ".
std::string reason_of(const std::string& message) {
  std::string text = message;
  if (const size_t error = text.rfind("Error: "); error != std::string::npos) text.erase(0, error + 7);
  const size_t begin = text.find_first_not_of(" \n");
  text.erase(0, begin == std::string::npos ? 0 : begin);
  text.erase(std::min(text.size(), text.find('\n')));
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  return text;
}

bool draws_randomly(const torch::jit::Module& model) {
  bool draws = false;
  for_each_node(inlined_forward(model)->block(),
                [&](torch::jit::Node* node) { draws = draws || node->isNondeterministic(); });
  return draws;
}

}  // namespace

std::vector<at::Tensor> run_forward(torch::jit::Module& model, const std::vector<c10::IValue>& inputs,
                                    at::Device device, uint64_t seed) {
  const c10::InferenceMode inference;
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  const KeptBuffers kept(model);
  std::vector<c10::IValue> moved;
  for (const c10::IValue& input : inputs) moved.push_back(copied(input, device));
  at::manual_seed(seed);
  auto outputs = output_tensors(model.forward(moved));
  for (at::Tensor& output : outputs) output = plain(output);
  return outputs;
}

std::vector<at::Tensor> try_forward(torch::jit::Module& model, const std::vector<c10::IValue>& inputs,
                                    at::Device device, uint64_t seed, std::string& failure) {
  try {
    auto outputs = run_forward(model, inputs, device, seed);
    failure = outputs.empty() ? "forward returns no tensor" : "";
    return outputs;
  } catch (const c10::Error& error) {
    failure = "forward failed: " + reason_of(error.what_without_backtrace());
  } catch (const std::exception& error) {
    failure = "forward failed: " + reason_of(error.what());
  }
  return {};
}

bool is_repeatable(torch::jit::Module& model, const std::vector<c10::IValue>& inputs, at::Device device,
                   uint64_t seed, const std::vector<at::Tensor>& outputs) {
  if (!draws_randomly(model)) return true;
  const OutputDifference difference = compare_outputs(outputs, run_forward(model, inputs, device, seed));
  return difference.largest_difference == 0 && difference.changed_integers == 0;
}

std::vector<at::Tensor> run_probe(torch::jit::Module model, const Probe& probe, at::Device device,
                                  uint64_t seed) {
  return run_forward(model, probe.inputs, device, seed);
}

}  // namespace prune2to4
