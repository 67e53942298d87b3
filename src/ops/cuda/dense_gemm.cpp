// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/dense_gemm.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/Exceptions.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cublasLt.h>

#include <array>
#include <compare>
#include <memory>
#include <mutex>
#include <optional>

#include "prune2to4/lru_map.h"

namespace prune2to4 {
namespace {

constexpr int kProposals = 8;  // as many as it makes of nearly every shape
constexpr size_t kKeptProposals = 1024;
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
Layout layout_of(const at::Tensor& like, int64_t rows, int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatrixLayoutCreate(&layout, type_of(like), static_cast<uint64_t>(columns),
                                                  static_cast<uint64_t>(rows), columns));
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

// What the proposals depend on.
struct ProductKey {
  int device;
  at::ScalarType dtype;
  int64_t out;
  int64_t in;
  int64_t tokens;
  bool biased;
  Activation activation;
  uint32_t weight_alignment;
  uint32_t x_alignment;
  uint32_t d_alignment;
  size_t kernel;  // which of them

  auto operator<=>(const ProductKey&) const = default;
};

ProductKey key_of(size_t kernel, const at::Tensor& weight, const Operands& operands, const at::Tensor& d) {
  return {d.get_device(),
          d.scalar_type(),
          weight.size(0),
          weight.size(1),
          d.size(0),
          operands.bias.has_value(),
          operands.activation,
          alignment_of(weight),
          alignment_of(operands.x),
          alignment_of(d),
          kernel};
}

Preference preference_for(const ProductKey& key) {
  cublasLtMatmulPreference_t created = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatmulPreferenceCreate(&created));
  Preference preference(created);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, auto value) {
    TORCH_CUDABLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(created, what, &value, sizeof(value)));
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.weight_alignment);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.x_alignment);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.d_alignment);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.d_alignment);
  return preference;
}

// What cuBLASLt is told of a product.
struct Matmul {
  Matmul(const at::Tensor& w, const Operands& operands, int64_t tokens)
      : description(describe(operands)),
        weight(layout_of(w, w.size(0), w.size(1))),
        x(layout_of(w, tokens, w.size(1))),
        d(layout_of(w, tokens, w.size(0))) {}

  Description description;
  Layout weight;
  Layout x;
  Layout d;
};
using Proposal = cublasLtMatmulHeuristicResult_t;

// Proposals are ranked anew for each number of tokens; those that share one measurement take what was
// measured. None: there are fewer, or it does not take so few tokens.
std::optional<Proposal> propose(cublasLtHandle_t handle, const Matmul& matmul, const Matmul& measured,
                                const ProductKey& key) {
  const Preference preference = preference_for(key);
  std::array<Proposal, kProposals> found{};
  int count = 0;
  const auto wanted = static_cast<int>(key.kernel) + 1;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle, measured.description.get(), measured.weight.get(), measured.x.get(), measured.d.get(),
      measured.d.get(), preference.get(), wanted, found.data(), &count);
  if (status != CUBLAS_STATUS_SUCCESS || count < wanted) return std::nullopt;
  Proposal& last = found[key.kernel];
  if (last.state != CUBLAS_STATUS_SUCCESS) return std::nullopt;
  const cublasStatus_t checked =
      cublasLtMatmulAlgoCheck(handle, matmul.description.get(), matmul.weight.get(), matmul.x.get(),
                              matmul.d.get(), matmul.d.get(), &last.algo, &last);
  return checked == CUBLAS_STATUS_SUCCESS && last.workspaceSize <= kWorkspaceBytes ? std::optional(last)
                                                                                   : std::nullopt;
}

// The last ones are kept: to make one takes up to 60 microseconds, longer than many a product.
std::optional<Proposal> proposal(cublasLtHandle_t handle, const at::Tensor& weight, const Operands& operands,
                                 const Matmul& matmul, const ProductKey& key) {
  static std::mutex mutex;
  static LruMap<ProductKey, std::optional<Proposal>> kept(kKeptProposals);
  const std::scoped_lock lock(mutex);
  return kept.get(
      key, [&] { return propose(handle, matmul, Matmul(weight, operands, token_bucket(key.tokens)), key); });
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
  if (operands.residual) return false;  // added by the product it takes longer than by what follows
  const c10::cuda::CUDAGuard guard(d.device());
  const Matmul matmul(weight, operands, d.size(0));
  const cublasLtHandle_t handle = at::cuda::getCurrentCUDABlasLtHandle();
  const std::optional<Proposal> chosen =
      proposal(handle, weight, operands, matmul, key_of(kernel, weight, operands, d));
  if (!chosen) return false;
  const at::Tensor workspace =
      at::empty({static_cast<int64_t>(chosen->workspaceSize)}, d.options().dtype(at::kByte));
  const float alpha = 1.0F;
  const float beta = 0.0F;
  TORCH_CUDABLAS_CHECK(cublasLtMatmul(handle, matmul.description.get(), &alpha, weight.const_data_ptr(),
                                      matmul.weight.get(), operands.x.const_data_ptr(), matmul.x.get(), &beta,
                                      d.const_data_ptr(), matmul.d.get(), d.mutable_data_ptr(),
                                      matmul.d.get(), &chosen->algo, workspace.mutable_data_ptr(),
                                      chosen->workspaceSize, c10::cuda::getCurrentCUDAStream()));
  return true;
}

}  // namespace prune2to4
