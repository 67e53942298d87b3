// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/full.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>
#include <span>

#include "prune2to4/encoder.h"
#include "prune2to4/packed_attention.h"
#include "train/fused.h"
#include "train/network.h"

namespace prune2to4 {
namespace {

// Sizes of batches on a GPU: few enough that each comes again.
constexpr int64_t kTokenStep = 256;
constexpr int64_t kTrialLength = 14;
// Largest difference from the module's logits, relative to the largest, that summing in another order
// explains.
constexpr double kTolerance = 1e-3;

struct EncoderLayer {
  Linear qkv;
  Linear attention_output;
  Norm attention_norm;
  Linear intermediate;
  Linear output;
  Norm output_norm;
};

at::ScalarType compute_type(Precision precision) {
  if (precision == Precision::kBf16) return at::kBFloat16;
  return precision == Precision::kFp16 ? at::kHalf : at::kFloat;
}

// Reads the parameters that an EncoderSpec names.
class Lookup {
 public:
  Lookup(const EncoderSpec& spec, const Parameters& parameters) : spec_(spec), parameters_(parameters) {}

  at::Tensor tensor(const std::string& name) const { return parameters_.at(name).value; }
  Linear linear(const std::vector<AffineNames>& names) const {
    Linear result;
    for (const AffineNames& each : names) {
      result.weights.push_back(tensor(each.weight));
      result.biases.push_back(tensor(each.bias));
    }
    return result;
  }
  Norm norm(const AffineNames& names) const {
    return {tensor(names.weight), tensor(names.bias), spec_.epsilon};
  }

 private:
  const EncoderSpec& spec_;
  const Parameters& parameters_;
};

class EncoderNetwork final : public Network {
 public:
  // `has_types`: whether the model is given token types; else every token is of type 0.
  EncoderNetwork(const EncoderSpec& spec, bool has_types, const Parameters& parameters,
                 const NetworkOptions& options)
      : spec_(spec), has_types_(has_types), options_(options) {
    const Lookup find(spec, parameters);
    words_ = find.tensor(spec.word_embedding);
    positions_ = find.tensor(spec.position_embedding);
    if (!spec.segment_embedding.empty()) segments_ = find.tensor(spec.segment_embedding);
    embedding_norm_ = find.norm(spec.embedding_norm);
    for (const EncoderLayerNames& names : spec.layers) {
      layers_.push_back({find.linear({names.query, names.key, names.value}),
                         find.linear({names.attention_output}), find.norm(names.attention_norm),
                         find.linear({names.intermediate}), find.linear({names.output}),
                         find.norm(names.output_norm)});
    }
    head_ = find.linear({spec.head});
  }

  SpanLogits forward(const PackedBatch& batch, bool dropout, std::vector<at::Tensor>* hidden) override {
    const double share = dropout ? options_.dropout.hidden : 0;
    at::Tensor x = embed(batch, share);
    const PackedSequences sequences{batch.longest, batch.boundaries, /*uniform=*/false, batch.sequences,
                                    batch.width,   batch.places,     batch.real};
    for (const EncoderLayer& layer : layers_) {
      const at::Tensor qkv = linear(x, layer.qkv).view({-1, 3, spec_.heads, spec_.width / spec_.heads});
      const at::Tensor attended = packed_attention(qkv, sequences, dropout ? options_.dropout.attention : 0);
      x = linear_dropout_add_norm(attended, x, layer.attention_output, layer.attention_norm,
                                  spec_.attention_dropout ? share : 0);
      x = linear_dropout_add_norm(linear_gelu(x, layer.intermediate), x, layer.output, layer.output_norm,
                                  share);
      if (hidden != nullptr) hidden->push_back(x);
    }
    const at::Tensor logits = linear(x, head_).to(at::kFloat);
    return {padded(logits.select(1, 0), batch), padded(logits.select(1, 1), batch)};
  }

  PackedShape shape(const TokenizedSquad& data) const override {
    if (options_.device.is_cpu()) return {};
    PackedShape shape;
    shape.width = std::max(kTokenStep, data.width());
    shape.token_step = kTokenStep;
    return shape;
  }
  bool pads() const override { return false; }
  bool can_capture() const override { return options_.device.is_cuda(); }
  std::string description() const override { return "encoder, padding removed"; }
  int64_t layers() const override { return static_cast<int64_t>(layers_.size()); }
  int64_t width() const override { return spec_.width; }

 private:
  at::Tensor embed(const PackedBatch& batch, double dropout) const {
    at::Tensor x =
        at::embedding(words_, batch.ids) + at::embedding(positions_, batch.positions + spec_.position_offset);
    if (segments_.defined())
      x = x + at::embedding(segments_, has_types_ ? batch.segments : at::zeros_like(batch.segments));
    x = at::layer_norm(x, embedding_norm_.weight.sizes(), embedding_norm_.weight, embedding_norm_.bias,
                       embedding_norm_.epsilon);
    return at::dropout(x, dropout, dropout > 0).to(compute_type(options_.precision));
  }

  // [T] to [B, W].
  static at::Tensor padded(const at::Tensor& logits, const PackedBatch& batch) {
    const int64_t slots = batch.sequences * batch.width;
    return at::full({slots + 1}, kNoLogit, logits.options())
        .scatter(0, batch.places, logits)
        .narrow(0, 0, slots)
        .view({batch.sequences, batch.width});
  }

  EncoderSpec spec_;
  bool has_types_;
  NetworkOptions options_;
  at::Tensor words_;
  at::Tensor positions_;
  at::Tensor segments_;
  Norm embedding_norm_;
  std::vector<EncoderLayer> layers_;
  Linear head_;
};

// Two sequences of different lengths, of the first ids of the vocabulary.
PackedBatch trial_batch(int64_t vocabulary, at::Device device) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < kTrialLength; ++i) ids.push_back(static_cast<int32_t>(i * 7919 % vocabulary));
  const std::vector<uint8_t> segments(ids.size(), 0);
  const std::span all(ids);
  const std::span none(segments);
  const PackedShape shape{2, 0, 1, 1};
  return pack_rows({{all, none, 0, 0}, {all.first(kTrialLength / 2), none.first(kTrialLength / 2), 0, 0}}, 0,
                   shape)
      .to(device);
}

}  // namespace

std::unique_ptr<Network> make_encoder_network(const torch::jit::Module& module, Network& reference,
                                              const Parameters& parameters, const NetworkOptions& options,
                                              std::string& reason) {
  auto spec = find_encoder(module, reason);
  if (!spec) return nullptr;
  const auto roles = input_roles(module, reason);
  if (!roles) return nullptr;
  const bool has_types = roles->has(InputRole::kTokenTypeIds);
  const at::NoGradGuard no_gradients;
  const PackedBatch batch = trial_batch(parameters.at(spec->word_embedding).value.size(0), options.device);
  const SpanLogits expected = reference.forward(batch, false, nullptr);
  NetworkOptions exact = options;
  exact.precision = Precision::kFp32;
  // While attention is still even, as in a model that has learned nothing, another number of heads changes
  // little: the right one is the nearest.
  double nearest = std::numeric_limits<double>::infinity();
  for (const int64_t heads : possible_heads(module, spec->width)) {
    EncoderSpec trial = *spec;
    trial.heads = heads;
    const SpanLogits logits =
        EncoderNetwork(trial, has_types, parameters, exact).forward(batch, false, nullptr);
    const double found = logit_difference(logits, expected, batch.real);
    if (!(found < nearest)) continue;
    nearest = found;
    spec->heads = heads;
  }
  if (nearest <= kTolerance) return std::make_unique<EncoderNetwork>(*spec, has_types, parameters, options);
  reason = "its logits are not those of a BERT encoder with its parameters";
  return nullptr;
}

}  // namespace prune2to4
