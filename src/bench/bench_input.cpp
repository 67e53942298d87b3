// SPDX-License-Identifier: Apache-2.0
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <numeric>

#include "prune2to4/batches.h"
#include "prune2to4/bench.h"
#include "prune2to4/encoder.h"

namespace prune2to4 {
namespace {

// Ids below it are often padding and other tokens of meaning to the model.
constexpr int64_t kFirstWord = 5;

}  // namespace

BenchInput random_input(int64_t batch, int64_t length, int64_t vocabulary, uint64_t seed) {
  const int64_t above = vocabulary > 0 ? vocabulary : kFirstWord + 1;
  const int64_t first = std::min(kFirstWord, above - 1);
  const at::Tensor ids =
      at::randint(first, above, {batch, length}, at::make_generator<at::CPUGeneratorImpl>(seed), at::kLong);
  return {batch,
          length,
          {{ids, at::ones_like(ids), at::zeros_like(ids)}},
          std::vector<int64_t>(static_cast<size_t>(batch), length)};
}

BenchInput file_input(const TokenizedSquad& data, int64_t batch, int64_t length, int64_t windows) {
  BenchInput input{batch, length, {}, {}};
  std::vector<int64_t> chosen(static_cast<size_t>(batch));
  for (int64_t first = 0; first + batch <= windows; first += batch) {
    std::iota(chosen.begin(), chosen.end(), first);
    input.batches.push_back(fill_batch(data, chosen, batch, length));
    for (const int64_t window : chosen) input.lengths.push_back(data.length(window));
  }
  return input;
}

std::optional<EncoderSize> encoder_size(const torch::jit::Module& model) {
  std::string reason;
  const auto spec = find_encoder(model, reason, /*packed=*/true);
  if (!spec) return std::nullopt;
  return EncoderSize{static_cast<int64_t>(spec->layers.size()), spec->width, spec->inner};
}

double encoder_flops(const EncoderSize& size, const std::vector<int64_t>& lengths) {
  const auto width = static_cast<double>(size.width);
  const auto inner = static_cast<double>(size.inner);
  double flops = 0;
  for (const int64_t each : lengths) {
    const auto tokens = static_cast<double>(each);
    const double linears = tokens * (4 * width * width + 2 * width * inner);
    const double attention = 2 * tokens * tokens * width;
    const double head = tokens * width * 2;
    flops += 2 * (static_cast<double>(size.layers) * (linears + attention) + head);
  }
  return flops;
}

}  // namespace prune2to4
