// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <limits>

#include "prune2to4/table.h"
#include "runtime/engine/encoder_engine.h"
#include "runtime/engine/engine_difference.h"

namespace prune2to4 {
namespace {

constexpr int64_t kTrialRows = 3;
constexpr int64_t kTrialLength = 61;

// Largest difference of logits, relative to the largest, that rounding and summing in another order explain.
double tolerance(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return 8e-2;
  return dtype == at::kHalf ? 2e-2 : 1e-3;
}

// Sequences of different lengths, of ids and types from everywhere in the tables.
TextBatch trial_batch(const PackRules& rules, const Reference& reference) {
  const int64_t rows = reference.batch > 0 ? reference.batch : kTrialRows;
  const int64_t length = reference.length > 0 ? reference.length : std::min(kTrialLength, rules.positions);
  TextBatch batch{at::full({rows, length}, std::max<int64_t>(rules.position_offset - 1, 0), at::kLong),
                  at::zeros({rows, length}, at::kLong), at::zeros({rows, length}, at::kLong)};
  // Behind the ids that mean something in every vocabulary.
  const int64_t first_id = std::min<int64_t>(4, rules.vocabulary - 1);
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t shorter = rows == 1 ? length * 2 / 3 : length * (rows - row) / rows;
    const int64_t real =
        reference.roles.has(InputRole::kAttentionMask) ? std::max<int64_t>(1, shorter) : length;
    auto* ids = batch.input_ids.mutable_data_ptr<int64_t>() + row * length;
    auto* types = batch.token_type_ids.mutable_data_ptr<int64_t>() + row * length;
    for (int64_t i = 0; i < real; ++i) {
      ids[i] = first_id + (row * length + i) * 7919 % (rules.vocabulary - first_id);
      types[i] = 2 * i > real && rules.segments > 1 ? 1 : 0;
    }
    batch.attention_mask.select(0, row).narrow(0, 0, real).fill_(1);
  }
  return batch;
}

// Tries each number of heads; another than the likeliest must be plainly nearer, since in a model that has
// learned nothing, and in half precision, they differ by little. Returns the difference that is left, and
// puts the number into `spec`.
double choose_heads(const std::vector<int64_t>& possible, const Reference& reference, const TextBatch& trial,
                    const std::shared_ptr<EncoderPass>& pass, EncoderSpec& spec) {
  const SpanLogits expected = reference.run(trial);
  const at::Tensor real = trial.attention_mask.to(at::kBool);
  double nearest = std::numeric_limits<double>::infinity();
  spec.heads = possible.front();
  for (const int64_t each : possible) {
    pass->set_heads(each);
    EncoderEngine engine(pass, reference.roles, /*remove_padding=*/true);
    const auto text = engine.pack(trial);
    if (!text) break;
    const double found = logit_difference(engine.run(*text), expected, real);
    if (!(found < nearest / 2)) continue;
    nearest = found;
    spec.heads = each;
  }
  pass->set_heads(spec.heads);
  return nearest;
}

}  // namespace

std::unique_ptr<EncoderEngine> make_encoder_engine(const torch::jit::Module& module,
                                                   const Reference& reference, bool remove_padding,
                                                   std::string& reason) {
  const c10::InferenceMode inference;
  auto spec = find_encoder(module, reason, /*packed=*/true);
  if (!spec) return nullptr;
  const auto pass = std::make_shared<EncoderPass>(*spec, lift_weights(module, *spec));
  const TextBatch trial = trial_batch(pass->rules(), reference);
  const double found = choose_heads(possible_heads(module, spec->width), reference, trial, pass, *spec);
  const double limit = tolerance(pass->options().dtype().toScalarType());
  if (found <= limit) {
    return std::make_unique<EncoderEngine>(pass, reference.roles, remove_padding);
  }
  reason = "its logits differ from those of a BERT encoder with its parameters by " +
           format_number(100 * found, 3) + " % of the largest" +
           engine_difference(module, *spec, reference, trial, limit);
  return nullptr;
}

}  // namespace prune2to4
