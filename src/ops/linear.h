// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "prune2to4/packed_weight.h"

namespace prune2to4 {

// The kernels of the operator
//   prune2to4::linear(Tensor input, PackedWeight weight, Tensor? bias) -> Tensor
// input [..., in], bias [out] of the input's dtype and device, result [..., out]: on a GPU in fp16 or bf16,
// and on the CPU in fp32 or bf16 for weights that are not too small, the fastest kernel's, whose sums may
// round otherwise than aten::linear's with the dense weight; elsewhere aten::linear's to the last bit. Each
// throws c10::Error naming the layer when an input does not fit.
using PackedWeightPtr = c10::intrusive_ptr<PackedWeight>;

at::Tensor linear_dense(const at::Tensor& input, const PackedWeightPtr& weight,
                        const std::optional<at::Tensor>& bias);
at::Tensor linear_cpu(const at::Tensor& input, const PackedWeightPtr& weight,
                      const std::optional<at::Tensor>& bias);
at::Tensor linear_cuda(const at::Tensor& input, const PackedWeightPtr& weight,
                       const std::optional<at::Tensor>& bias);
at::Tensor linear_meta(const at::Tensor& input, const PackedWeightPtr& weight,
                       const std::optional<at::Tensor>& bias);
// Gradients reach the input and the bias; the packed weight is a constant.
at::Tensor linear_autograd(const at::Tensor& input, const PackedWeightPtr& weight,
                           const std::optional<at::Tensor>& bias);
// Casts input and bias to the autocast dtype, as aten::linear does.
at::Tensor linear_autocast_cpu(const at::Tensor& input, const PackedWeightPtr& weight,
                               const std::optional<at::Tensor>& bias);
at::Tensor linear_autocast_cuda(const at::Tensor& input, const PackedWeightPtr& weight,
                                const std::optional<at::Tensor>& bias);

}  // namespace prune2to4
