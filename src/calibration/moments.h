// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "prune2to4/calibration.h"

namespace prune2to4 {

// Which tokens of a batch [rows, length] count.
struct RealTokens {
  int64_t rows = 0;
  int64_t length = 0;
  at::Tensor places;  // int64, on the device: among rows * length; undefined: all
};

// An input's features [tokens, in] without padding. What has no row for each token is taken whole.
at::Tensor real_rows(const at::Tensor& input, const RealTokens& real);

// Adds rows [tokens, in] to products and sums; some thousand become fp32 at once.
void add_moments(const at::Tensor& rows, InputMoments& moments);
// The same, and what the same tokens have in the dense model to cross and dense moments.
void add_moments(const at::Tensor& dense_rows, const at::Tensor& rows, InputMoments& moments);

}  // namespace prune2to4
