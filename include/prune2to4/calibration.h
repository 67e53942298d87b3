// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "prune2to4/mask.h"

namespace prune2to4 {

// What a linear layer saw at its input: T tokens x of `in` features.
struct InputMoments {
  at::Tensor products;  // fp32 [in, in]: sum of x x^T
  at::Tensor sums;      // fp32 [in]: sum of x
  int64_t tokens = 0;
  // Where the layers before are pruned already, d the input that the dense model has in the place of x;
  // undefined: x is the dense model's own.
  at::Tensor cross;           // fp32 [in, in]: sum of d x^T
  at::Tensor dense_products;  // fp32 [in, in]: sum of d d^T
  at::Tensor dense_sums;      // fp32 [in]: sum of d
};

// kWanda: in each group the smallest |w| * sqrt(mean of x^2) go, the others stay as they are (Sun, Liu, Bair,
//   Kolter: A Simple and Effective Pruning Approach for Large Language Models, 2023).
// kSparseGpt: column after column, what is pruned is made good by the columns to its right (Frantar,
// Alistarh:
//   SparseGPT, 2023; github.com/IST-DASLab/sparsegpt).
// kReconstruction: weights and mask together by ADMM, then the least squares of the kept weights by conjugate
//   gradients (Meng, Behdin, Wang, Mazumder: ALPS, 2024). With cross moments it fits W' x to W d; the other
//   two fit it to W x, as their authors do.
enum class CalibrationMethod { kWanda, kSparseGpt, kReconstruction };

// Wanda reads neither number.
struct CalibrationOptions {
  CalibrationMethod method = CalibrationMethod::kReconstruction;
  double damping = 0.01;       // added to the diagonal of `products`, in units of its mean
  int64_t column_block = 128;  // of SparseGPT: columns corrected at once, cut to whole groups
};

// A layer's weight under an N:M mask, chosen by what it does to the layer's outputs on the inputs seen.
struct CalibratedWeight {
  at::Tensor weight;          // fp32 [out, in] on the device, pruned entries +0.0
  std::vector<uint8_t> mask;  // [out * in]: 1 keeps
  // output_error() of this weight and of the weight-norm mask on the original weight.
  double error = 0;
  double weight_norm_error = 0;
  std::string bias_name;           // the parameter that bias_change is for; empty: no bias is changed
  at::Tensor bias_change;          // fp32 [out]: added to the bias
  std::vector<std::string> notes;  // dead inputs, constant inputs, singular moments: what had to be handled
};

// |W D - W' X|_F / |W D|_F on the inputs seen, D = X without cross moments, bias apart; 0 when W D is zero.
// Both are [out, in].
double output_error(const at::Tensor& weight, const at::Tensor& pruned, const InputMoments& moments);

// The mean of W d - W' x: what the bias would have to make good. fp32 [out] on the weight's device.
at::Tensor mean_output_change(const at::Tensor& weight, const at::Tensor& pruned,
                              const InputMoments& moments);

// `weight` is [out, in] of a floating type on any device, `moments` on the same device. Blocks of `mask` are
// (1, M); the last ones may be cut off by the edge, as in weight_norm_mask(). Equal scores: the lower index
// is pruned. An input that is always zero gets zero weights, save by Wanda. Throws Error: kUsage for masks of
// another form (sparse_block_shape, a sparsity_level between 0 and 1, ties) and for options out of range,
// kData for no tokens or inputs that are not finite, kModel for a weight that is not; std::invalid_argument
// as weight_norm_mask() does.
CalibratedWeight calibrate_weight(const at::Tensor& weight, const InputMoments& moments,
                                  const MaskOptions& mask, const CalibrationOptions& options);

}  // namespace prune2to4
