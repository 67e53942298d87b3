// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/prune_layers.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "prune2to4/matrix_stats.h"
#include "prune2to4/packed_matrix.h"
#include "prune2to4/packed_weight.h"
#include "prune2to4/progress.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

bool maskable(const at::Tensor& weight) { return weight.dim() == 2 && is_weight_type(weight.scalar_type()); }

bool same_tensor(const at::Tensor& a, const at::Tensor& b) {
  return a.is_alias_of(b) && a.const_data_ptr() == b.const_data_ptr() && a.sizes() == b.sizes() &&
         a.strides() == b.strides();
}

// Whether everything in the weight's memory is the same weight, chosen the same way.
bool pruned_together(const InlinedModel& model, const std::vector<LayerChoice>& choices, size_t linear) {
  const LinearLayer& layer = model.linears()[linear];
  return std::all_of(layer.shares_with.begin(), layer.shares_with.end(), [&](const std::string& name) {
    for (size_t i = 0; i < choices.size(); ++i) {
      if (model.linears()[i].name != name) continue;
      return choices[i].selected && choices[i].mask == choices[linear].mask &&
             same_tensor(model.linears()[i].weight, layer.weight);
    }
    return false;
  });
}

// The first earlier layer that was masked as the same tensor; `linear` itself when there is none.
size_t first_sharer(const InlinedModel& model, const std::vector<LayerReport>& reports, size_t linear) {
  for (size_t i = 0; i < linear; ++i) {
    if (reports[i].mask && same_tensor(model.linears()[i].weight, model.linears()[linear].weight)) return i;
  }
  return linear;
}

void check_finite(const MatrixStats& stats, const std::string& name, bool allow_nonfinite) {
  if (stats.nonfinite == 0 || allow_nonfinite) return;
  throw Error(ExitStatus::kModel, "mask",
              "weight '" + name + "' holds " + std::to_string(stats.nonfinite) +
                  " NaN or infinite element(s); repair the model, or pass --allow-nonfinite");
}

const CalibratedWeight* find(const CalibratedWeights& weights, const std::string& name) {
  const auto found = weights.find(name);
  return found == weights.end() ? nullptr : &found->second;
}

// Masks `weight`, the layer's or a copy of it; returns the relative error of the mask.
double mask_values(const at::Tensor& weight, const std::string& name, const MaskOptions& options,
                   bool allow_nonfinite, const CalibratedWeight* calibrated) {
  const MatrixStats before = matrix_stats(matrix_view(weight));
  check_finite(before, name, allow_nonfinite);
  apply_mask(weight.mutable_data_ptr(), weight.element_size(),
             calibrated != nullptr ? calibrated->mask : weight_norm_mask(weight, options));
  const double after = matrix_stats(matrix_view(weight)).squared_norm;
  if (calibrated != nullptr) weight.copy_(calibrated->weight);
  return before.squared_norm > 0 ? std::sqrt(std::max(0.0, 1 - after / before.squared_norm)) : 0;
}

// Masks one weight of the model; returns the relative error of the mask.
double mask_weight(InlinedModel& model, size_t linear, const MaskOptions& options, bool own_memory,
                   bool allow_nonfinite, const CalibratedWeight* calibrated) {
  const LinearLayer& layer = model.linears()[linear];
  at::Tensor weight = layer.weight.detach();
  const bool in_place = own_memory && weight.is_contiguous();
  if (!in_place) weight = weight.clone(at::MemoryFormat::Contiguous);
  const double error = mask_values(weight, layer.name, options, allow_nonfinite, calibrated);
  if (!in_place) model.set_weight(linear, weight.set_requires_grad(layer.weight.requires_grad()));
  return error;
}

// In the model's own memory.
void correct_biases(const InlinedModel& model, const std::vector<LayerReport>& reports,
                    const CalibratedWeights& calibrated) {
  std::optional<torch::jit::Module> module;
  for (const LayerReport& report : reports) {
    const CalibratedWeight* found = find(calibrated, report.name);
    if (!report.mask || !report.shares_with.empty() || found == nullptr || found->bias_name.empty()) continue;
    if (!module) module = model.rewrite({});
    const at::Tensor bias = parameter_named(*module, found->bias_name).detach();
    bias.add_(found->bias_change.to(bias.options()));
  }
}

// Which group of four keeps the weight from being 2:4; empty: none does. Columns divisible by 4.
std::string dense_group(const at::Tensor& weight) {
  const ConstMatrix matrix = matrix_view(weight);
  const auto group = find_dense_group(matrix.data, weight.element_size(), matrix.rows, matrix.cols);
  if (!group) return "";
  return "not 2:4: row " + std::to_string(group->row) + ", columns " + std::to_string(group->column) +
         " to " + std::to_string(group->column + 3) + " hold " + std::to_string(group->nonzeros) +
         " non-zero elements";
}

// Why a masked weight is not packed; empty: it is 2:4.
std::string packing_obstacle(const LinearLayer& layer) {
  return layer.obstacle.empty() ? dense_group(layer.weight) : layer.obstacle;
}

// Whether each group of four loses two elements, whatever they are.
bool is_always_two_of_four(const MaskOptions& mask) {
  const auto [rows, cols] = mask.sparse_block_shape;
  return rows == 1 && cols == 4 && mask.zeros_per_block >= 2 && mask.sparsity_level >= 1;
}

// Why the layer would not be packed when it is masked so; empty: it would be.
std::string obstacle_under(const LinearLayer& layer, const MaskOptions& mask) {
  if (!layer.obstacle.empty()) return layer.obstacle;
  if (is_always_two_of_four(mask)) return "";
  const at::Tensor masked = layer.weight.detach().clone(at::MemoryFormat::Contiguous);
  if (matrix_stats(matrix_view(masked)).nonfinite > 0) return "";  // mask_layers() says so
  apply_mask(masked.mutable_data_ptr(), masked.element_size(), weight_norm_mask(masked, mask));
  return dense_group(masked);
}

}  // namespace

bool can_mask(const LinearLayer& layer) { return maskable(layer.weight) && !layer.read_elsewhere; }

void leave_unpackable_dense(const InlinedModel& model, std::vector<LayerChoice>& choices) {
  for (size_t i = 0; i < choices.size(); ++i) {
    throw_if_interrupted();
    if (!choices[i].selected) continue;
    choices[i].obstacle = obstacle_under(model.linears()[i], choices[i].mask);
    choices[i].selected = choices[i].obstacle.empty();
  }
}

std::vector<std::vector<size_t>> pruned_groups(const InlinedModel& model,
                                               const std::vector<LayerChoice>& choices) {
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (!choices[i].selected || !can_mask(model.linears()[i])) continue;
    const auto same = [&](const std::vector<size_t>& group) {
      return same_tensor(model.linears()[group.front()].weight, model.linears()[i].weight);
    };
    const auto group =
        pruned_together(model, choices, i) ? std::find_if(groups.begin(), groups.end(), same) : groups.end();
    if (group == groups.end()) {
      groups.push_back({i});
    } else {
      group->push_back(i);
    }
  }
  return groups;
}

std::vector<NamedTensor> pruned_parameters(const torch::jit::Module& module, const InlinedModel& model,
                                           const std::vector<LayerChoice>& choices,
                                           const std::vector<size_t>& group, bool allow_nonfinite,
                                           const CalibratedWeights& calibrated) {
  const LinearLayer& layer = model.linears()[group.front()];
  const CalibratedWeight* found = find(calibrated, layer.name);
  const at::Tensor masked = layer.weight.detach().clone(at::MemoryFormat::Contiguous);
  mask_values(masked, layer.name, choices[group.front()].mask, allow_nonfinite, found);
  const at::Tensor weight = masked.to(parameter_named(module, layer.name).device());
  std::vector<NamedTensor> changed;
  for (const size_t linear : group) changed.push_back({model.linears()[linear].name, weight});
  if (found != nullptr && !found->bias_name.empty()) {
    const at::Tensor bias = parameter_named(module, found->bias_name).detach();
    changed.push_back({found->bias_name, bias.add(found->bias_change.to(bias.options()))});
  }
  return changed;
}

std::vector<LayerReport> mask_layers(InlinedModel& model, const std::vector<LayerChoice>& choices,
                                     bool allow_nonfinite, const CalibratedWeights& calibrated) {
  Progress progress("masking", static_cast<int64_t>(choices.size()));
  std::vector<LayerReport> reports(choices.size());
  for (size_t i = 0; i < choices.size(); ++i) {
    throw_if_interrupted();
    progress.advance(choices[i].name);
    LayerReport& report = reports[i];
    report.name = choices[i].name;
    report.rule = choices[i].rule;
    report.reason = choices[i].obstacle;
    if (!choices[i].selected) continue;
    if (!can_mask(model.linears()[i])) {
      report.reason = model.linears()[i].obstacle;
      continue;
    }
    const bool together = pruned_together(model, choices, i);
    const size_t first = together ? first_sharer(model, reports, i) : i;
    report.mask = choices[i].mask;
    if (first != i) {
      report.shares_with = reports[first].name;
      report.relative_error = reports[first].relative_error;
      report.output_error = reports[first].output_error;
    } else {
      const CalibratedWeight* weight = find(calibrated, report.name);
      report.relative_error = mask_weight(model, i, choices[i].mask, together, allow_nonfinite, weight);
      if (weight != nullptr) report.output_error = OutputError{weight->weight_norm_error, weight->error};
    }
  }
  progress.finish();
  correct_biases(model, reports, calibrated);
  return reports;
}

void check_layers(const InlinedModel& model, bool allow_nonfinite, std::vector<LayerReport>& layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    throw_if_interrupted();
    const LinearLayer& layer = model.linears()[i];
    LayerReport& report = layers[i];
    report.dtype = dtype_name(layer.weight.scalar_type());
    report.rows = layer.weight.dim() == 2 ? layer.weight.size(0) : layer.weight.numel();
    report.cols = layer.weight.dim() == 2 ? layer.weight.size(1) : 1;
    report.dense_bytes = static_cast<int64_t>(layer.weight.nbytes());
    report.stored_bytes = report.dense_bytes;
    if (!maskable(layer.weight)) continue;
    const at::Tensor weight = layer.weight.detach().contiguous();
    const MatrixStats stats = matrix_stats(matrix_view(weight));
    report.zeros = stats.zeros;
    if (!report.mask) continue;
    check_finite(stats, layer.name, allow_nonfinite);
    report.reason = packing_obstacle(layer);
    report.outcome = report.reason.empty() ? LayerReport::Outcome::kPacked : LayerReport::Outcome::kMasked;
    if (report.outcome == LayerReport::Outcome::kPacked) {
      report.stored_bytes = report.rows * (packed_value_columns(report.cols) * layer.weight.element_size() +
                                           packed_position_columns(report.cols));
    }
  }
}

std::map<std::string, c10::IValue> pack_layers(InlinedModel& model, std::vector<LayerReport>& layers) {
  Progress progress("packing", static_cast<int64_t>(layers.size()));
  std::map<std::string, c10::IValue> packed;
  for (size_t i = 0; i < layers.size(); ++i) {
    throw_if_interrupted();
    progress.advance(layers[i].name);
    if (layers[i].outcome != LayerReport::Outcome::kPacked) continue;
    const auto shared = packed.find(layers[i].shares_with);
    if (shared != packed.end()) {
      packed.emplace(layers[i].name, shared->second);
    } else {
      const auto weight = PackedWeight::pack(model.linears()[i].weight, layers[i].name);
      layers[i].negative_zeros = weight->negative_zeros();
      packed.emplace(layers[i].name, weight);
    }
    model.set_weight(i, at::empty({0, 0}, model.linears()[i].weight.options()));
  }
  progress.finish();
  return packed;
}

}  // namespace prune2to4
