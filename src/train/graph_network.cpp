// SPDX-License-Identifier: Apache-2.0
#include <ATen/autocast_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <stdexcept>

#include "prune2to4/error.h"
#include "prune2to4/text_batch.h"
#include "prune2to4/training_graph.h"
#include "train/network.h"

namespace prune2to4 {
namespace {

// Products in half precision for as long as it lives; torch/amp/autocast_mode.py.
class Autocast {
 public:
  Autocast(at::DeviceType device, Precision precision)
      : device_(device), on_(precision == Precision::kBf16 || precision == Precision::kFp16) {
    if (!on_) return;
    before_ = at::autocast::is_autocast_enabled(device_);
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, precision == Precision::kBf16 ? at::kBFloat16 : at::kHalf);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (!on_) return;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, before_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool on_;
  bool before_ = false;
};

class GraphNetwork final : public Network {
 public:
  GraphNetwork(torch::jit::Module plain, torch::jit::Module training, const NetworkOptions& options,
               std::string reason)
      : plain_(std::move(plain)),
        training_(std::move(training)),
        options_(options),
        reason_(std::move(reason)),
        roles_(input_roles(plain_, roles_reason_)) {}

  SpanLogits forward(const PackedBatch& batch, bool dropout, std::vector<at::Tensor>*) override {
    const TextBatch text{padded(batch.ids, batch), batch.real.to(at::kLong), padded(batch.segments, batch)};
    const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
    const Autocast autocast(options_.device.type(), options_.precision);
    torch::jit::Module& module = dropout ? training_ : plain_;
    const auto logits = find_logits(run(module, inputs_for(module, text)), batch.real.sizes());
    if (!logits)
      throw Error(ExitStatus::kModel, "train", "forward gives no start and end logits, [batch, length] each");
    const auto masked = [&](const at::Tensor& part) {
      return part.to(at::kFloat).masked_fill(batch.real.logical_not(), kNoLogit);
    };
    return {masked(logits->start), masked(logits->end)};
  }

  PackedShape shape(const TokenizedSquad&) const override { return {}; }
  bool pads() const override { return true; }
  bool can_capture() const override { return false; }
  std::string description() const override {
    return "interpreter" + (reason_.empty() ? "" : " (no BERT encoder was recognised: " + reason_ + ")");
  }

 private:
  std::vector<c10::IValue> inputs_for(const torch::jit::Module& module, const TextBatch& text) const {
    if (roles_) return forward_inputs(module, *roles_, text, options_.device);
    throw Error(
        ExitStatus::kModel, "train",
        "forward takes arguments that are not input_ids, attention_mask, token_type_ids or position_ids (" +
            roles_reason_ + "); export it with scripts/export_bert.py");
  }

  // The interpreter turns LibTorch's own exceptions into std::runtime_error: only their text is left.
  static c10::IValue run(torch::jit::Module& module, std::vector<c10::IValue> inputs) {
    try {
      return module.forward(std::move(inputs));
    } catch (const c10::Error&) {
      throw;
    } catch (const std::runtime_error& error) {
      const std::string reason = error.what();
      const bool memory =
          reason.find("out of memory") != reason.npos || reason.find("can't allocate memory") != reason.npos;
      if (memory)
        throw Error(ExitStatus::kDevice, "train", "the device's memory is not enough; lower --batch-size");
      throw Error(ExitStatus::kModel, "train", "forward failed: " + reason);
    }
  }

  // [T] to [B, W], padded with zeros: any id will do under the attention mask.
  static at::Tensor padded(const at::Tensor& packed, const PackedBatch& batch) {
    const int64_t slots = batch.sequences * batch.width;
    return at::full({slots + 1}, 0, packed.options())
        .scatter(0, batch.places, packed)
        .narrow(0, 0, slots)
        .view({batch.sequences, batch.width});
  }

  torch::jit::Module plain_;
  torch::jit::Module training_;
  NetworkOptions options_;
  std::string reason_;
  std::string roles_reason_;
  std::optional<InputRoles> roles_;
};

Dropout summary(const std::vector<DropoutPlace>& places) {
  Dropout dropout;
  dropout.places = static_cast<int64_t>(places.size());
  for (const DropoutPlace& place : places) {
    (place.kind == "attention" ? dropout.attention : dropout.hidden) = place.used;
  }
  return dropout;
}

}  // namespace

std::unique_ptr<Network> make_graph_network(const torch::jit::Module& module,
                                            const torch::jit::Module& training, const NetworkOptions& options,
                                            const std::string& reason) {
  return std::make_unique<GraphNetwork>(module, training, options, reason);
}

std::unique_ptr<Network> make_network(const torch::jit::Module& module, const Parameters& parameters,
                                      std::optional<double> dropout, NetworkOptions& options) {
  torch::jit::Module training = module.clone(/*inplace=*/true);
  options.dropout = summary(enable_dropout(training, dropout));
  NetworkOptions exact = options;
  exact.precision = Precision::kFp32;
  const auto reference = make_graph_network(module, training, exact, "");
  std::string reason;
  auto encoder = make_encoder_network(module, *reference, parameters, options, reason);
  return encoder ? std::move(encoder) : make_graph_network(module, training, options, reason);
}

}  // namespace prune2to4
