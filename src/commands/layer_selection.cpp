// SPDX-License-Identifier: Apache-2.0
#include "commands/layer_selection.h"

#include <algorithm>
#include <array>

#include "prune2to4/error.h"
#include "prune2to4/prune_layers.h"

namespace prune2to4 {
namespace {

constexpr const char* kStage = "layers";
constexpr size_t kMostNames = 8;
constexpr size_t kMostReasons = 24;
constexpr std::array<const char*, 4> kAdapters{"lora_A", "lora_B", "lora_down", "lora_up"};

struct Reason {
  std::string layer;
  std::string why;
};

std::string quoted(const std::string& name) { return "'" + name + "'"; }

// The first of them, and how many there are more.
std::string joined(const std::vector<std::string>& items, size_t most, const char* separator) {
  std::string text;
  for (size_t i = 0; i < std::min(items.size(), most); ++i) text += (i > 0 ? separator : "") + items[i];
  if (items.size() > most)
    text += separator + std::string("and ") + std::to_string(items.size() - most) + " more";
  return text;
}

std::string shape_of(const at::Tensor& weight) {
  std::string text;
  for (const int64_t size : weight.sizes()) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

[[noreturn]] void refuse_unselected(const InlinedModel& model, const LayerConfig& config) {
  std::vector<std::string> names;
  for (const LinearLayer& linear : model.linears()) {
    if (linear.obstacle.empty()) names.push_back(quoted(linear.name) + " (" + shape_of(linear.weight) + ")");
  }
  std::string message = "no layer is selected";
  if (model.packed_calls() > 0) message += " (the model has layers that are packed already)";
  if (config.default_selection) {
    message +=
        ": no linear layer that can be seen has a name that contains \"layer\", which are those selected";
    message += config.source.empty() ? " without --config" : " by a config without \"layers\"";
  } else {
    message += ": the config skips every layer that it matches";
  }
  message += names.empty() ? "; there is none that can be packed"
                           : "; those that can be packed: " + joined(names, kMostNames, ", ") +
                                 ". Name some in a file for --config; {\"version\": 1, \"layers\": "
                                 "[{\"match\": \"*\"}]} selects all";
  for (const std::string& hidden : model.hidden_linears()) message += "; " + hidden;
  const bool hidden = config.default_selection && !model.hidden_linears().empty();
  throw Error(hidden ? ExitStatus::kModel : ExitStatus::kUsage, kStage, message);
}

[[noreturn]] void refuse_unpacked(const std::vector<Reason>& reasons,
                                  const std::vector<std::string>& hidden) {
  std::vector<std::string> items;
  for (const Reason& reason : reasons) items.push_back(quoted(reason.layer) + ": " + reason.why);
  std::string message =
      "no selected layer can be packed to 2:4, and nothing was written: " + joined(items, kMostReasons, "; ");
  for (const std::string& sentence : hidden) message += "; " + sentence;
  throw Error(ExitStatus::kModel, kStage, message + ". For masks alone, add --allow-unpacked");
}

void warn_of_adapters(const InlinedModel& model, std::vector<std::string>& warnings) {
  std::vector<std::string> adapters;
  for (const LinearLayer& linear : model.linears()) {
    const auto has = [&](const char* part) { return linear.name.find(part) != std::string::npos; };
    if (std::any_of(kAdapters.begin(), kAdapters.end(), has)) adapters.push_back(quoted(linear.name));
  }
  if (adapters.empty()) return;
  warnings.push_back("the model holds " + std::to_string(adapters.size()) +
                     " linear layers of LoRA adapters that were not merged (" + joined(adapters, 2, ", ") +
                     "): those selected are pruned too, beside the weights that they adapt; call "
                     "merge_and_unload() on the model of peft before the export");
}

}  // namespace

std::vector<LayerChoice> select_layers(const InlinedModel& model, const LayerConfig& config,
                                       bool allow_unpacked, std::vector<std::string>& warnings) {
  std::vector<std::string> names;
  for (const LinearLayer& linear : model.linears()) names.push_back(linear.name);
  auto choices = choose_layers(config, names, model.other_tensors());
  const auto selected = [](const LayerChoice& choice) { return choice.selected; };
  if (std::none_of(choices.begin(), choices.end(), selected)) refuse_unselected(model, config);
  warn_of_adapters(model, warnings);
  if (allow_unpacked) return choices;
  leave_unpackable_dense(model, choices);
  std::vector<Reason> reasons;
  for (const LayerChoice& choice : choices) {
    if (!choice.obstacle.empty()) reasons.push_back({choice.name, choice.obstacle});
  }
  if (std::none_of(choices.begin(), choices.end(), selected))
    refuse_unpacked(reasons, model.hidden_linears());
  if (!reasons.empty()) {
    std::vector<std::string> items;
    for (const Reason& reason : reasons) items.push_back(quoted(reason.layer) + ": " + reason.why);
    warnings.push_back("selected layers stay dense, as they cannot be packed: " +
                       joined(items, kMostNames, "; ") + ". With --allow-unpacked they are masked");
  }
  return choices;
}

void require_packed(const std::vector<LayerReport>& layers) {
  std::vector<Reason> reasons;
  for (const LayerReport& layer : layers) {
    if (layer.outcome == LayerReport::Outcome::kPacked) return;
    if (!layer.reason.empty()) reasons.push_back({layer.name, layer.reason});
  }
  refuse_unpacked(reasons, {});
}

}  // namespace prune2to4
