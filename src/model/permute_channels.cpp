// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/permute_channels.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "prune2to4/channel_order.h"
#include "prune2to4/encoder.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/matrix_stats.h"
#include "prune2to4/module_parameters.h"
#include "prune2to4/probe.h"
#include "prune2to4/progress.h"
#include "prune2to4/prune_layers.h"
#include "prune2to4/table.h"
#include "prune2to4/tensor_mask.h"

#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for is serial without OpenMP"
#endif

namespace prune2to4 {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ExitStatus::kModel, "permute", why + "; leave --permute out");
}

// Channels between two linear layers: rows of one, columns of the other.
struct Channels {
  AffineNames writer;
  std::string reader;
  bool attention = false;  // of the values: within their head alone
  at::Tensor weight;       // the reader's
};

struct Move {
  const Channels* channels = nullptr;
  at::Tensor order;
};

// The rows and columns of `module` in their new order.
void reorder(const torch::jit::Module& module, const std::vector<Move>& moves) {
  const at::NoGradGuard no_gradients;
  for (const auto& [channels, order] : moves) {
    for (const auto& [name, dim] : {std::pair{channels->writer.weight, 0},
                                    std::pair{channels->writer.bias, 0}, std::pair{channels->reader, 1}}) {
      const at::Tensor parameter = parameter_named(module, name).detach();
      parameter.copy_(parameter.index_select(dim, order));
    }
  }
}

// A copy of the model on which moves are tried.
class Trial {
 public:
  Trial(const InlinedModel& model, uint64_t seed) : seed_(seed) {
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      torch::jit::Module copy = model.rewrite({});
      InlinedModel converted(type == at::kDouble ? copy : copy.clone(), /*trust_model=*/true);
      converted.to(type);
      module_ = converted.rewrite({});
      type_ = type;
      probe_ = make_probe(module_, at::kCPU, seed);
      if (probe_.failure.empty()) return;
    }
    refuse("the model cannot be run, to prove that it computes the same: " + probe_.failure);
  }

  at::ScalarType type() const { return type_; }

  void change(const std::vector<Move>& moves) { reorder(module_, moves); }

  // From the outputs before the first change.
  OutputDifference difference() const {
    return compare_outputs(probe_.outputs, run_probe(module_, probe_, at::kCPU, seed_));
  }

  // Beyond what summing in another order explains. In float64 a graph may still round to float32 on its way.
  bool differs(const OutputDifference& found) const {
    const double tolerance = type_ == at::kDouble ? 1e-6 : 1e-4;
    return !(found.largest_difference <= tolerance * std::max(1.0, found.largest_value)) ||
           found.changed_integers > 0;
  }

 private:
  uint64_t seed_;
  torch::jit::Module module_;
  at::ScalarType type_ = at::kFloat;
  Probe probe_;
};

bool is_two_of_four(const MaskOptions& mask) {
  return mask.sparse_block_shape == std::array<int64_t, 2>{1, 4} && mask.zeros_per_block == 2 &&
         mask.sparsity_level >= 1;
}

// Those whose reader is pruned to 2:4, and that nothing else reads.
std::vector<Channels> movable_channels(const InlinedModel& model, const torch::jit::Module& module,
                                       const EncoderSpec& spec, const std::vector<LayerChoice>& choices) {
  const auto biases = linear_biases(module);
  const auto own_linear = [&](const std::string& name) -> std::optional<size_t> {
    for (size_t i = 0; i < model.linears().size(); ++i) {
      const LinearLayer& linear = model.linears()[i];
      if (linear.name == name && linear.shares_with.empty() && can_mask(linear)) return i;
    }
    return std::nullopt;
  };
  std::vector<Channels> movable;
  const auto add = [&](const AffineNames& writer, const std::string& reader, bool attention) {
    const auto linear = own_linear(reader);
    const auto bias = biases.find(writer.weight);
    if (!linear || !own_linear(writer.weight) || bias == biases.end() || bias->second.name != writer.bias)
      return;
    const at::Tensor weight = model.linears()[*linear].weight.detach();
    if (!choices[*linear].selected || !is_two_of_four(choices[*linear].mask) || weight.size(1) % 4 != 0)
      return;
    movable.push_back({writer, reader, attention, weight});
  };
  for (const EncoderLayerNames& layer : spec.layers) {
    add(layer.value, layer.attention_output.weight, /*attention=*/true);
    add(layer.intermediate, layer.output.weight, /*attention=*/false);
  }
  return movable;
}

// Reversed within each head, the values change nothing but for a wrong width. The widest of the graph's
// possible ones is the heads' own; 0: there is none in which anything can move.
int64_t head_width(const torch::jit::Module& module, const EncoderSpec& spec,
                   const std::vector<Channels>& movable, Trial& trial) {
  std::set<int64_t, std::greater<>> widths;
  for (const int64_t heads : possible_heads(module, spec.width)) widths.insert(spec.width / heads);
  for (const int64_t width : widths) {
    if (width % 4 != 0 || width < 8) continue;
    const at::Tensor reversed = at::arange(spec.width).view({-1, width}).flip(1).reshape(-1);
    std::vector<Move> moves;
    for (const Channels& each : movable) {
      if (each.attention) moves.push_back({&each, reversed});
    }
    if (moves.empty()) return 0;
    trial.change(moves);
    const bool fits = !trial.differs(trial.difference());
    trial.change(moves);  // and back
    if (fits) return width;
  }
  return 0;
}

struct Found {
  const Channels* channels = nullptr;
  ChannelOrder order;
};

// The layers beside one another: what is found does not depend on the threads.
std::vector<Found> find_orders(const std::vector<Channels>& movable, int64_t head) {
  std::vector<Found> found;
  for (const Channels& each : movable) {
    if (!each.attention || head > 0) found.push_back({&each, {}});
  }
  if (found.empty()) return found;
  Progress progress("permute", static_cast<int64_t>(found.size()));
  std::mutex mutex;
  at::parallel_for(0, static_cast<int64_t>(found.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      throw_if_interrupted();
      auto& [channels, order] = found[static_cast<size_t>(i)];
      const at::Tensor weight = channels->weight.contiguous();
      order = order_channels(matrix_view(weight), channels->attention ? head : weight.size(1));
      const std::scoped_lock lock(mutex);
      progress.advance(channels->reader);
    }
  });
  progress.finish();
  std::erase_if(found, [](const Found& each) { return !(each.order.kept_after > each.order.kept_before); });
  return found;
}

}  // namespace

PermutationReport permute_channels(InlinedModel& model, const std::vector<LayerChoice>& choices,
                                   uint64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  const torch::jit::Module module = model.rewrite({});
  std::string reason;
  const auto spec = find_encoder(module, reason);
  if (!spec) refuse("the model is no BERT encoder as known here: " + reason);
  const std::vector<Channels> movable = movable_channels(model, module, *spec, choices);
  Trial trial(model, seed);
  const int64_t head = head_width(module, *spec, movable, trial);
  PermutationReport report;
  std::vector<Move> moves;
  for (const auto& [channels, order] : find_orders(movable, head)) {
    const double all = matrix_stats(matrix_view(channels->weight.contiguous())).squared_norm;
    report.kept_before += order.kept_before / all;
    report.kept_after += order.kept_after / all;
    moves.push_back({channels, at::tensor(order.order)});
  }
  trial.change(moves);
  const OutputDifference difference = trial.difference();
  if (trial.differs(difference)) {
    refuse("in another order of channels the dense model's outputs change by " +
           format_number(difference.largest_difference) + ": it computes something else than a BERT encoder");
  }
  reorder(module, moves);
  report.layers = static_cast<int64_t>(moves.size());
  if (report.layers > 0) {
    report.kept_before /= static_cast<double>(report.layers);
    report.kept_after /= static_cast<double>(report.layers);
  }
  report.dtype = dtype_name(trial.type());
  report.largest_logit = difference.largest_value;
  report.largest_logit_difference = difference.largest_difference;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace prune2to4
