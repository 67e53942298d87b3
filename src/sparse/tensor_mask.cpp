// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/tensor_mask.h"

#include <c10/util/Exception.h>

#include "sparse/torch_ties.h"

namespace prune2to4 {
namespace {

FloatType float_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return FloatType::kFloat32;
    case at::kHalf:
      return FloatType::kFloat16;
    case at::kBFloat16:
      return FloatType::kBFloat16;
    default:
      TORCH_CHECK_VALUE(false, "[mask] a weight of dtype ", type,
                        "; float32, float16 and bfloat16 can be masked");
  }
}

}  // namespace

bool is_weight_type(at::ScalarType type) {
  return type == at::kFloat || type == at::kHalf || type == at::kBFloat16;
}

ConstMatrix matrix_view(const at::Tensor& weight) {
  TORCH_CHECK_VALUE(weight.dim() == 2, "[mask] a weight of ", weight.dim(),
                    " dimensions; masks are for [rows, cols]");
  TORCH_CHECK_VALUE(weight.is_cpu() && weight.is_contiguous(),
                    "[mask] the weight must be contiguous and on the CPU");
  return {weight.const_data_ptr(), weight.size(0), weight.size(1), float_type(weight.scalar_type())};
}

at::Tensor host_copy(const at::Tensor& tensor, const std::string& stage, const std::string& what) {
  TORCH_CHECK_VALUE(tensor.defined(), "[", stage, "] ", what, " is None; a tensor is needed");
  TORCH_CHECK_VALUE(tensor.layout() == at::kStrided && !tensor.is_quantized(), "[", stage, "] ", what, " is ",
                    tensor.is_quantized() ? "quantized" : "of a sparse layout",
                    "; a dense floating tensor is needed");
  TORCH_CHECK_VALUE(!tensor.is_meta(), "[", stage, "] ", what, " is on the meta device and has no values");
  return tensor.detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg();
}

std::vector<uint8_t> weight_norm_mask(const at::Tensor& weight, const MaskOptions& options) {
  const at::Tensor host = host_copy(weight, "mask", "the weight");
  const ConstMatrix matrix = matrix_view(host);
  if (options.ties == Ties::kLowestIndex) return weight_norm_mask(matrix, options);
  // The Torch-free rule checks the options; asking it for an empty matrix checks them here too.
  weight_norm_mask(ConstMatrix{nullptr, 0, 0, matrix.type}, options);
  const at::Tensor mask = torch_ties_mask(host, options).contiguous();
  const auto* data = reinterpret_cast<const uint8_t*>(mask.const_data_ptr<bool>());
  return {data, data + mask.numel()};
}

}  // namespace prune2to4
