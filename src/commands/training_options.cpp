// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <algorithm>

#include "commands/command_options.h"
#include "prune2to4/recipe.h"

namespace prune2to4 {
namespace {

// Flags that change the recipe; each only when it is given.
class RecipeFlags {
 public:
  RecipeFlags(Command& command, TrainingOptions& options) : command_(command), changes_(options.changes) {}

  template <typename Value>
  void add(const std::string& name, Value Recipe::*field, const std::string& description) {
    auto* option = add_function<Value>(
        name, description, [field](Recipe& recipe, const Value& value) { recipe.*field = value; });
    check_number(option, range_of(name))->type_name(std::is_integral_v<Value> ? "N" : "X");
  }

  template <typename Value>
  void add_optional(const std::string& name, std::optional<Value> Recipe::*field,
                    const std::string& description) {
    auto* option = add_function<Value>(
        name, description, [field](Recipe& recipe, const Value& value) { recipe.*field = value; });
    check_number(option, range_of(name))->type_name("X");
  }

  // `assign` puts one of the named values into the recipe.
  template <typename Values, typename Assign>
  void add_choice(const std::string& name, const Values& values, const std::string& description,
                  Assign assign) {
    std::vector<std::string> names;
    for (const auto& each : values) names.emplace_back(each.first);
    add_function<std::string>(name, description,
                              [&values, assign](Recipe& recipe, const std::string& text) {
                                for (const auto& [known, value] : values) {
                                  if (text == known) assign(recipe, value);
                                }
                              })
        ->check(CLI::IsMember(names))
        ->type_name("NAME");
  }

 private:
  // The range is that of the recipe's key with the flag's name.
  static NumberRange range_of(const std::string& flag) {
    std::string key = flag.substr(2);
    std::replace(key.begin(), key.end(), '-', '_');
    return recipe_range(key);
  }

  template <typename Value>
  CLI::Option* add_function(const std::string& name, const std::string& description,
                            const std::function<void(Recipe&, const Value&)>& change) {
    auto* option = command_.add_option_function<Value>(
        name,
        [&changes = changes_, change](const Value& value) {
          changes.push_back([change, value](Recipe& recipe) { change(recipe, value); });
        },
        description);
    return from_environment(option)->group("Recipe");
  }

  Command& command_;
  std::vector<std::function<void(Recipe&)>>& changes_;
};

void add_recipe_flags(Command& command, TrainingOptions& options) {
  RecipeFlags flags(command, options);
  flags.add("--epochs", &Recipe::epochs, "Times that all windows are seen");
  flags.add("--max-steps", &Recipe::max_steps, "End after so many steps");
  flags.add("--batch-size", &Recipe::batch_size, "Windows of a forward pass, over all ranks");
  flags.add("--accumulate", &Recipe::accumulate, "Forward passes of a step");
  flags.add("--learning-rate", &Recipe::learning_rate, "AdamW's, behind the warm-up");
  flags.add_choice("--schedule", kRateSchedules, "Learning rate: linear, cosine or constant",
                   [](Recipe& recipe, RateSchedule value) { recipe.schedule = value; });
  flags.add("--warmup", &Recipe::warmup, "Share of the steps");
  flags.add("--weight-decay", &Recipe::weight_decay, "AdamW's; not of biases and LayerNorm");
  flags.add("--clip-norm", &Recipe::clip_norm, "Largest norm of the gradients; 0: any");
  flags.add_optional("--dropout", &Recipe::dropout,
                     "Share of elements, everywhere where BERT has it [0 with a teacher, else the model's]");
  flags.add_choice("--precision", kPrecisions, "Of products: fp32, tf32, bf16 or fp16 [bf16 on a GPU]",
                   [](Recipe& recipe, Precision value) { recipe.precision = value; });
  flags.add("--distill-weight", &Recipe::distill_weight, "Share of the teacher in the loss; 0: no teacher");
  flags.add("--temperature", &Recipe::temperature, "Of the teacher's and the model's logits");
  flags.add("--hidden-weight", &Recipe::hidden_weight, "Of the difference from the teacher's hidden states");
  flags.add("--ema", &Recipe::ema,
            "Decay of a moving average of the weights, which is kept; 0: the last weights");
  flags.add_choice("--mask-policy", kMaskPolicies, "one-shot, or gradual: more and more zeros",
                   [](Recipe& recipe, MaskPolicy value) { recipe.mask_policy = value; });
  flags.add_choice("--mask-score", kMaskScores,
                   "Of a gradual mask: norm of the weight, or momentum of |w * gradient|",
                   [](Recipe& recipe, MaskScore value) { recipe.mask_score = value; });
  flags.add("--mask-end", &Recipe::mask_end, "Share of the steps after which a gradual mask is final");
  flags.add("--mask-interval", &Recipe::mask_interval, "Steps between changes of a gradual mask");
}

}  // namespace

void add_training_options(Command& command, TrainingOptions& options) {
  add_input_file(command, "--train", options.data,
                 "Tokenized questions to train on; with a teacher they need no labels")
      ->group("Training");
  add_input_file(command, "--recipe", options.recipe, "Recipe (JSON) [the one for the model's size]")
      ->group("Training");
  auto* teacher =
      command.add_option("--teacher", options.teachers,
                         "Model to learn from; several: their mean; self: the model as it was given");
  command.register_file({.option = teacher, .no_file = kSelfTeacher});
  from_environment(teacher)->type_name("MODEL.pt")->group("Training");
  add_own_file(command, "--teacher-cache", options.teacher_cache, kTeacherCacheFormat,
               "Keep the teacher's logits in this file, and read them there")
      ->group("Training");
  from_environment(command.add_flag("--control", options.control,
                                    "Also train the dense model for the same budget, for the report"))
      ->group("Training");
  add_own_file(command, "--checkpoint", options.checkpoint, kCheckpointFormat,
               "Where training is saved [beside the output]")
      ->group("Training");
  check_number(from_environment(command.add_option("--checkpoint-steps", options.checkpoint_steps,
                                                   "Save every N steps [at the end of each epoch]")),
               kPositiveWhole)
      ->type_name("N")
      ->group("Training");
  from_environment(
      command.add_option("--resume", options.resume, "auto: go on from the checkpoint, if there is one [no]"))
      ->check(CLI::IsMember({"auto", "no"}))
      ->type_name("NAME")
      ->group("Training");
  from_environment(command.add_flag("--deterministic", options.deterministic,
                                    "The same bits each time, also on a GPU; slower"))
      ->group("Training");
  check_number(from_environment(
                   command.add_option("--max-nan-steps", options.max_nan_steps,
                                      "Steps in a row without a finite loss before training goes back [10]")),
               kPositiveWhole)
      ->type_name("N")
      ->group("Training");
  add_recipe_flags(command, options);
}

Command& setup_finetune(CLI::App& app, FinetuneOptions& options) {
  Command& command = add_command(app, "finetune", "Train a dense model on tokenized SQuAD questions");
  add_input_file(command, "MODEL", options.model, "TorchScript archive (torch.jit.trace(...).save)")
      ->required();
  add_output_file(command, "-o,--output", options.output, "Trained model [MODEL.finetuned.pt]");
  from_environment(command.add_option("--device", options.device, "auto, cpu or cuda[:N] [auto]"))
      ->type_name("NAME");
  add_training_options(command, options.training);
  command.get_option("--train")->required();
  command.remove_option(command.get_option("--control"));
  check_number(from_environment(
                   command.add_option("--seed", options.seed, "Of the order of windows and of dropout [0]")),
               kSeeds)
      ->type_name("N");
  auto* eval = add_input_file(command, "--eval", options.eval,
                              "Tokenized questions: F1 and EM before, meanwhile and after");
  eval->group("Questions");
  check_number(from_environment(
                   command.add_option("--eval-limit", options.eval_limit, "Ask only the first N questions")),
               kPositiveWhole)
      ->type_name("N")
      ->group("Questions")
      ->needs(eval);
  from_environment(command.add_flag("--trust-model", options.trust_model,
                                    "Accept code in the archive that could touch files"));
  add_output_options(command, options.results);
  command.footer(
      std::string("Examples:\n  prune2to4 finetune bert.pt --train train.safetensors --eval dev.safetensors\n"
                  "  torchrun --no-python --nproc-per-node=2 prune2to4 finetune bert.pt --train "
                  "train.safetensors\n\n") +
      kExitStatuses);
  return command;
}

}  // namespace prune2to4
