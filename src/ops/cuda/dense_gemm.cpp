// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/dense_gemm.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/Exceptions.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cublasLt.h>

#include <array>
#include <memory>

namespace prune2to4 {
namespace {

constexpr int kProposals = 4;
constexpr uint64_t kWorkspaceBytes = uint64_t{32} << 20;  // what NVIDIA recommends for Hopper
constexpr uint32_t kBestAlignment = 256;                  // that cuBLASLt makes a difference of

template <typename T, cublasStatus_t (*kDestroy)(T*)>
struct Destroy {
  void operator()(T* handle) const { kDestroy(handle); }
};
using Description = std::unique_ptr<cublasLtMatmulDescOpaque_t,
                                    Destroy<cublasLtMatmulDescOpaque_t, cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t,
                               Destroy<cublasLtMatrixLayoutOpaque_t, cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                    Destroy<cublasLtMatmulPreferenceOpaque_t, cublasLtMatmulPreferenceDestroy>>;

cudaDataType_t type_of(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kHalf ? CUDA_R_16F : CUDA_R_16BF;
}

template <typename Value>
void set(const Description& description, cublasLtMatmulDescAttributes_t what, const Value& value) {
  TORCH_CUDABLAS_CHECK(cublasLtMatmulDescSetAttribute(description.get(), what, &value, sizeof(value)));
}

// cuBLASLt's matrices are column-major: it sees a row-major [rows, columns] as [columns, rows].
Layout layout_of(const at::Tensor& matrix) {
  cublasLtMatrixLayout_t layout = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatrixLayoutCreate(&layout, type_of(matrix),
                                                  static_cast<uint64_t>(matrix.size(1)),
                                                  static_cast<uint64_t>(matrix.size(0)), matrix.size(1)));
  return Layout(layout);
}

Description describe(const Operands& operands) {
  cublasLtMatmulDesc_t created = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatmulDescCreate(&created, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  Description description(created);
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  const bool gelu = operands.activation == Activation::kGelu;
  set(description, CUBLASLT_MATMUL_DESC_EPILOGUE,
      operands.bias ? gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS
      : gelu        ? CUBLASLT_EPILOGUE_GELU
                    : CUBLASLT_EPILOGUE_DEFAULT);
  if (operands.bias) {
    set(description, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(*operands.bias));
    set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.bias->const_data_ptr());
  }
  return description;
}

// Proposals must suit where the matrices lie.
uint32_t alignment_of(const at::Tensor& tensor) {
  const auto address = reinterpret_cast<uintptr_t>(tensor.const_data_ptr());
  uint32_t bytes = kBestAlignment;
  while (address % bytes != 0) bytes /= 2;
  return bytes;
}

Preference preference_for(const at::Tensor& weight, const Operands& operands, const at::Tensor& d) {
  cublasLtMatmulPreference_t created = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatmulPreferenceCreate(&created));
  Preference preference(created);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, auto value) {
    TORCH_CUDABLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(created, what, &value, sizeof(value)));
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(weight));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(operands.x));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(d));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(d));
  return preference;
}

}  // namespace

const std::vector<std::string>& dense_kernels() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (int i = 1; i <= kProposals; ++i) made.push_back("cuBLASLt proposal " + std::to_string(i));
    return made;
  }();
  return names;
}

bool run_dense(size_t kernel, const at::Tensor& weight, const Operands& operands, at::Tensor& d) {
  if (operands.residual) return false;
  const c10::cuda::CUDAGuard guard(d.device());
  const Description description = describe(operands);
  const Layout a = layout_of(weight);
  const Layout b = layout_of(operands.x);
  const Layout c = layout_of(d);
  const Preference preference = preference_for(weight, operands, d);
  const cublasLtHandle_t handle = at::cuda::getCurrentCUDABlasLtHandle();
  std::array<cublasLtMatmulHeuristicResult_t, kProposals> found{};
  int count = 0;
  const auto wanted = static_cast<int>(kernel) + 1;
  if (cublasLtMatmulAlgoGetHeuristic(handle, description.get(), a.get(), b.get(), c.get(), c.get(),
                                     preference.get(), wanted, found.data(),
                                     &count) != CUBLAS_STATUS_SUCCESS ||
      count < wanted) {
    return false;
  }
  const cublasLtMatmulHeuristicResult_t& chosen = found[kernel];
  const at::Tensor workspace =
      at::empty({static_cast<int64_t>(chosen.workspaceSize)}, d.options().dtype(at::kByte));
  const float alpha = 1.0F;
  const float beta = 0.0F;
  TORCH_CUDABLAS_CHECK(cublasLtMatmul(
      handle, description.get(), &alpha, weight.const_data_ptr(), a.get(), operands.x.const_data_ptr(),
      b.get(), &beta, d.const_data_ptr(), c.get(), d.mutable_data_ptr(), c.get(), &chosen.algo,
      workspace.mutable_data_ptr(), chosen.workspaceSize, c10::cuda::getCurrentCUDAStream()));
  return true;
}

}  // namespace prune2to4
