// SPDX-License-Identifier: Apache-2.0
#include <ATen/TensorOperators.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/nan_to_num.h>
#include <ATen/ops/view_as_real.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "prune2to4/probe.h"
#include "prune2to4/statistics.h"

namespace prune2to4 {
namespace {

at::Tensor in_double(const at::Tensor& tensor) {
  return (tensor.is_complex() ? at::view_as_real(tensor) : tensor).to(at::kDouble);
}

void compare_floats(const at::Tensor& first, const at::Tensor& second, OutputDifference& result) {
  const at::Tensor a = in_double(first);
  const at::Tensor b = in_double(second);
  const at::Tensor same = a.eq(b).logical_or(at::isnan(a).logical_and(at::isnan(b)));
  const double difference = at::where(same, at::zeros_like(a), (a - b).abs()).max().item<double>();
  result.largest_difference = worse(result.largest_difference, difference);
  result.largest_value =
      std::max(result.largest_value, at::nan_to_num(a, 0, 0, 0).abs().max().item<double>());
}

}  // namespace

OutputDifference compare_outputs(const std::vector<at::Tensor>& first,
                                 const std::vector<at::Tensor>& second) {
  OutputDifference result;
  bool alike = first.size() == second.size();
  for (size_t i = 0; alike && i < first.size(); ++i) {
    alike = first[i].sizes() == second[i].sizes() && first[i].is_complex() == second[i].is_complex();
  }
  if (!alike) {
    result.largest_difference = std::nan("");
    return result;
  }
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i].numel() == 0) continue;
    if (first[i].is_floating_point() || first[i].is_complex()) {
      compare_floats(first[i], second[i], result);
    } else {
      result.integers += first[i].numel();
      result.changed_integers += first[i].ne(second[i]).sum().item<int64_t>();
    }
  }
  return result;
}

}  // namespace prune2to4
