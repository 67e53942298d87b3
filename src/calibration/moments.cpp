// SPDX-License-Identifier: Apache-2.0
#include "calibration/moments.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

namespace prune2to4 {
namespace {

constexpr int64_t kRows = 4096;  // of an input that become fp32 at once

}  // namespace

at::Tensor real_rows(const at::Tensor& input, const RealTokens& real) {
  const at::Tensor flat = input.reshape({-1, input.size(-1)});
  const bool by_token = flat.size(0) == real.rows * real.length &&
                        (input.dim() == 2 || (input.size(0) == real.rows && input.size(1) == real.length));
  return by_token && real.places.defined() ? flat.index_select(0, real.places) : flat;
}

void add_moments(const at::Tensor& rows, InputMoments& moments) {
  for (int64_t first = 0; first < rows.size(0); first += kRows) {
    const at::Tensor part = rows.narrow(0, first, std::min(kRows, rows.size(0) - first)).to(at::kFloat);
    moments.products.addmm_(part.t(), part);
    moments.sums.add_(part.sum(0));
  }
  moments.tokens += rows.size(0);
}

void add_moments(const at::Tensor& dense_rows, const at::Tensor& rows, InputMoments& moments) {
  for (int64_t first = 0; first < rows.size(0); first += kRows) {
    const int64_t count = std::min(kRows, rows.size(0) - first);
    const at::Tensor dense = dense_rows.narrow(0, first, count).to(at::kFloat);
    const at::Tensor part = rows.narrow(0, first, count).to(at::kFloat);
    moments.cross.addmm_(dense.t(), part);
    moments.dense_products.addmm_(dense.t(), dense);
    moments.dense_sums.add_(dense.sum(0));
  }
  add_moments(rows, moments);
}

}  // namespace prune2to4
