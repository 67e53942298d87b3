// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "prune2to4/number_range.h"

namespace prune2to4 {

enum class RateSchedule { kLinear, kCosine, kConstant };  // each after a linear warm-up
enum class Precision { kFp32, kTf32, kBf16, kFp16 };      // of products; weights stay fp32
enum class MaskPolicy { kOneShot, kGradual };             // all zeros at once, or more and more of them
enum class MaskScore { kWeightNorm, kMomentum };          // what a gradual mask is refreshed from

// As recipe files and options spell them; a precision may also be "auto" there.
template <typename Value, size_t count>
using NamedValues = std::array<std::pair<const char*, Value>, count>;
inline constexpr NamedValues<RateSchedule, 3> kRateSchedules{{{"linear", RateSchedule::kLinear},
                                                              {"cosine", RateSchedule::kCosine},
                                                              {"constant", RateSchedule::kConstant}}};
inline constexpr NamedValues<Precision, 4> kPrecisions{{{"fp32", Precision::kFp32},
                                                        {"tf32", Precision::kTf32},
                                                        {"bf16", Precision::kBf16},
                                                        {"fp16", Precision::kFp16}}};
inline constexpr NamedValues<MaskPolicy, 2> kMaskPolicies{
    {{"one-shot", MaskPolicy::kOneShot}, {"gradual", MaskPolicy::kGradual}}};
inline constexpr NamedValues<MaskScore, 2> kMaskScores{
    {{"norm", MaskScore::kWeightNorm}, {"momentum", MaskScore::kMomentum}}};

// How a model is trained: everything that decides the result but the model, the data and the machine. The
// keys of a recipe file (configs/recipe.schema.json) and the flags of `finetune` and `prune --train` have the
// same names.
struct Recipe {
  double epochs = 3;      // 0.5: half of the windows once
  int64_t max_steps = 0;  // end after so many optimizer steps; 0: no limit. The schedule still spans `epochs`
  int64_t batch_size = 32;      // windows of a forward pass, over all ranks
  int64_t accumulate = 1;       // forward passes of one step
  double learning_rate = 2e-4;  // at the end of the warm-up
  RateSchedule schedule = RateSchedule::kLinear;
  double warmup = 0.05;        // share of the steps
  double weight_decay = 0.01;  // AdamW's; not of biases and LayerNorm
  double clip_norm = 1.0;      // of all gradients together; 0: no clipping
  // Everywhere where BERT has it; none: 0 with a teacher, else what the model says, or 0.1.
  std::optional<double> dropout;
  std::optional<Precision> precision;  // none: bf16 on a GPU that has it, fp32 elsewhere
  uint64_t seed = 0;                   // of the order of windows and of dropout

  double distill_weight =
      0.9;                   // share of the teacher's KL in the loss; the rest is the labels' cross-entropy
  double temperature = 2;    // of the KL
  double hidden_weight = 0;  // of the mean squared difference of hidden states, added to the loss
  double ema = 0;  // decay of the moving average of the weights that is kept at the end; 0: the last ones

  MaskPolicy mask_policy = MaskPolicy::kOneShot;
  MaskScore mask_score = MaskScore::kWeightNorm;
  double mask_end = 0.6;       // share of the steps after which a gradual mask is final
  int64_t mask_interval = 50;  // steps between refreshes of a gradual mask

  bool operator==(const Recipe&) const = default;
};

// What a recipe does not say; key by key over `base`. Throws Error: kFileSystem when the file cannot be read,
// kUsage
// "[recipe] FILE: /json/pointer: reason" for what does not fit the schema or cannot be (negative rates,
// warmup > 1, ...).
Recipe read_recipe(const std::filesystem::path& path, const Recipe& base);

// The embedded recipe for a model of so many parameters: configs/recipe_{tiny,small,base,large}.json, up to
// 5, 60, 200 million parameters and beyond. `name` receives "tiny", "small", "base" or "large".
Recipe default_recipe(int64_t parameters, std::string& name);

// What the number under a key of the recipe, "batch_size", may be. Precondition: there is such a key.
NumberRange recipe_range(std::string_view key);

// Throws Error(kUsage) "[recipe] name: reason" for values that cannot be.
void check_recipe(const Recipe& recipe);

// {"learning_rate", "0.0002"}, ...: every key in order, as the JSON form spells it; `dropout` and `precision`
// are "auto" where unset. What a report prints and a checkpoint compares.
std::vector<std::pair<std::string, std::string>> recipe_values(const Recipe& recipe);

// As JSON; read_recipe gives it back.
std::string recipe_json(const Recipe& recipe);

std::string precision_name(Precision precision);  // "fp32", "tf32", "bf16", "fp16"

}  // namespace prune2to4
