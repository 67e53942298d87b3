// SPDX-License-Identifier: Apache-2.0
// sparsegpt.py of github.com/IST-DASLab/sparsegpt: the same order of operations, with groups cut off by the
// edge besides.
#include "sparse/calibration/sparse_gpt.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cholesky_inverse.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>

namespace prune2to4 {
namespace {

std::optional<at::Tensor> factor(const at::Tensor& matrix, bool upper) {
  const auto [result, info] = at::linalg_cholesky_ex(matrix, upper);
  if (info.item<int>() != 0 || !result.isfinite().all().item<bool>()) return std::nullopt;
  return result;
}

// U with U^T U = matrix^-1, upper triangular.
std::optional<at::Tensor> inverse_factor(const at::Tensor& matrix) {
  const std::optional<at::Tensor> lower = factor(matrix, /*upper=*/false);
  return lower ? factor(at::cholesky_inverse(*lower), /*upper=*/true) : std::nullopt;
}

at::Tensor damped_inverse_factor(const at::Tensor& products, std::vector<std::string>& notes) {
  const at::Tensor matrix = products.to(at::kDouble);
  const at::Tensor mean = matrix.diagonal().mean();
  std::optional<at::Tensor> result = inverse_factor(matrix);
  // Ends: 1 added to a diagonal of mean 1 outweighs whatever rounding did.
  for (double damping = 1e-6; !result; damping *= 10) {
    at::Tensor damped = matrix.clone();
    damped.diagonal().add_(mean * damping);
    result = inverse_factor(damped);
    if (result) notes.push_back("singular moments: damping raised by " + std::to_string(damping));
  }
  return result->to(at::kFloat);
}

// Prunes `columns` [out, n], which begin at a group's start; `upper` is their part of the factor. Returns
// each column's error in units of its diagonal.
at::Tensor prune_columns(at::Tensor columns, at::Tensor keep, const at::Tensor& upper,
                         const GroupShape& shape) {
  const int64_t count = columns.size(1);
  const at::Tensor diagonal = upper.diagonal();
  at::Tensor errors = at::zeros_like(columns);
  for (int64_t i = 0; i < count; ++i) {
    if (i % shape.block == 0) {
      const int64_t width = std::min(shape.block, count - i);
      const at::Tensor scores = (columns.narrow(1, i, width) / diagonal.narrow(0, i, width)).square();
      keep.narrow(1, i, width).copy_(keep_largest(scores, shape));
    }
    const at::Tensor column = columns.select(1, i);
    const at::Tensor error = column.masked_fill(keep.select(1, i), 0) / diagonal[i];
    errors.select(1, i).copy_(error);
    columns.narrow(1, i, count - i).sub_(at::outer(error, upper[i].narrow(0, i, count - i)));
  }
  columns.masked_fill_(keep.logical_not(), 0);
  return errors;
}

}  // namespace

MaskedWeight sparse_gpt(const at::Tensor& weight, const at::Tensor& products, const GroupShape& shape,
                        int64_t column_block, std::vector<std::string>& notes) {
  const at::Tensor upper = damped_inverse_factor(products, notes);
  const int64_t cols = weight.size(1);
  const int64_t step = std::max(column_block / shape.block, int64_t{1}) * shape.block;
  MaskedWeight result{weight.clone(), at::empty_like(weight, at::kBool)};
  for (int64_t begin = 0; begin < cols; begin += step) {
    const int64_t end = std::min(begin + step, cols);
    const at::Tensor rows = upper.slice(0, begin, end);
    const at::Tensor errors =
        prune_columns(result.weight.slice(1, begin, end), result.keep.slice(1, begin, end),
                      rows.slice(1, begin, end), shape);
    if (end < cols) result.weight.slice(1, end).sub_(errors.matmul(rows.slice(1, end)));
  }
  return result;
}

}  // namespace prune2to4
