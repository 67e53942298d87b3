// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/engine_fixture.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "model/traced_model.h"
#include "prune2to4/model.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {

torch::jit::Module pruned(const std::string& name, Packed packed, at::ScalarType dtype, at::Device device) {
  InlinedModel model(traced_model(name, dtype), false);
  std::map<std::string, c10::IValue> weights;
  for (size_t i = 0; i < model.linears().size(); ++i) {
    const LinearLayer& linear = model.linears()[i];
    if (linear.name.find("layer") == std::string::npos) continue;
    at::Tensor weight = linear.weight.detach().clone();
    weight.slice(1, 0, weight.size(1), 4).zero_();
    weight.slice(1, 3, weight.size(1), 4).zero_();
    if (packed == Packed::kAll || (packed == Packed::kSome && i % 4 != 1)) {
      weights.emplace(linear.name, PackedWeight::pack(weight, linear.name));
    }
    model.set_weight(i, weight);
  }
  return model.rewrite(weights, device);
}

TextBatch random_batch(const std::string& name, const Runner& runner, int64_t rows, int64_t width) {
  const int64_t padding = name.starts_with("roberta") ? 1 : 0;
  TextBatch batch{at::randint(4, runner.limits().vocabulary, {rows, width}, at::kLong),
                  at::ones({rows, width}, at::kLong),
                  runner.limits().segments > 1 ? at::randint(0, 2, {rows, width}, at::kLong)
                                               : at::zeros({rows, width}, at::kLong)};
  for (int64_t row = 1; row < rows; ++row) {
    const int64_t length = 1 + (row * 5) % width;
    batch.attention_mask[row].narrow(0, length, width - length).zero_();
    batch.input_ids[row].narrow(0, length, width - length).fill_(padding);
  }
  return batch;
}

double difference(const SpanLogits& a, const SpanLogits& b, const at::Tensor& mask) {
  const at::Tensor real = mask.to(at::kBool);
  const auto part = [&](const at::Tensor& x, const at::Tensor& y) {
    return (x.masked_select(real) - y.masked_select(real)).abs().max().item<double>() /
           std::max(1.0, y.masked_select(real).abs().max().item<double>());
  };
  return std::max(part(a.start, b.start), part(a.end, b.end));
}

}  // namespace prune2to4
