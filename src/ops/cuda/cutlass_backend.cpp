// SPDX-License-Identifier: Apache-2.0
#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/cuda/Sleep.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/headeronly/version.h>

#include <fstream>
#include <map>

#include "ops/cuda/cusparselt_gemm.h"
#include "ops/cuda/dense_gemm.h"
#include "ops/cuda/gemm/gemm.h"
#include "ops/cuda/gemm/stationary/fragments.h"
#include "ops/cuda/join_gemms.h"
#include "ops/sparse_gemm.h"

namespace prune2to4 {
namespace {

static_assert(kNormMultiple == gemm::kSummedColumns);
static_assert(kNormsTogether == gemm::kReadTogether);

constexpr int kCalls = 20;  // of milliseconds(), behind one another
// The GPU waits about half a millisecond, until all calls are queued: else the host's part of short ones
// counts.
constexpr int64_t kSleepCycles = 1'000'000;

constexpr Epilogue kEpilogues[] = {{Activation::kNone, false, false}, {Activation::kNone, true, false},
                                   {Activation::kGelu, false, false}, {Activation::kNone, false, true},
                                   {Activation::kNone, true, true},   {Activation::kGelu, false, true}};

bool is_hopper(at::Device device) {
  const cudaDeviceProp* gpu = at::cuda::getDeviceProperties(device.index());
  return gpu->major == 9 && gpu->minor == 0;
}

bool fits_cutlass(at::Device device, int64_t out, int64_t in) {
  return is_hopper(device) && out % 8 == 0 && in % 32 == 0;
}

gemm::Gpu gpu_of(at::Device device) {
  return {device.index(), at::cuda::getDeviceProperties(device.index())->multiProcessorCount};
}

at::Tensor bytes(size_t count, at::Device device) {
  return at::empty({static_cast<int64_t>(count)}, at::TensorOptions(device).dtype(at::kByte));
}

// Without norms there is no residual: reading one in the epilogue costs as much as reading it behind.
gemm::Kernels kernels_for(gemm::Type type, Epilogue epilogue) {
  const bool half = type == gemm::Type::kHalf;
  const bool gelu = epilogue.activation == Activation::kGelu;
  if (!epilogue.norm) {
    if (epilogue.residual) return {nullptr, 0};
    if (gelu) return half ? gemm::half_gelu() : gemm::bfloat16_gelu();
    return half ? gemm::half_bias() : gemm::bfloat16_bias();
  }
  if (epilogue.residual) return half ? gemm::half_residual_norm() : gemm::bfloat16_residual_norm();
  if (gelu) return half ? gemm::half_norm_gelu() : gemm::bfloat16_norm_gelu();
  return half ? gemm::half_norm() : gemm::bfloat16_norm();
}

gemm::Kernels stationary_kernels_for(gemm::Type type, Epilogue epilogue) {
  const bool gelu = epilogue.activation == Activation::kGelu;
  if (epilogue.residual && !epilogue.norm) return {nullptr, 0};
  gemm::Finish finish = gelu ? gemm::Finish::kGelu : gemm::Finish::kBias;
  if (epilogue.norm) finish = gelu ? gemm::Finish::kNormGelu : gemm::Finish::kNorm;
  if (epilogue.residual) finish = gemm::Finish::kResidualNorm;
  return type == gemm::Type::kHalf ? gemm::half_stationary(finish) : gemm::bfloat16_stationary(finish);
}

// Those of one epilogue that take a weight; the first one takes every weight.
struct FittingKernels {
  FittingKernels(gemm::Type type, Epilogue epilogue, int out, int in) {
    for (const gemm::Kernels& all : {kernels_for(type, epilogue), stationary_kernels_for(type, epilogue)}) {
      for (const gemm::Kernel* each = all.first; each != all.first + all.count; ++each) {
        if (!each->takes(out, in)) continue;
        kernels.push_back(each);
        names.emplace_back(each->name);
      }
    }
  }
  std::vector<const gemm::Kernel*> kernels;
  std::vector<std::string> names;
};

// nullptr of an undefined tensor.
template <typename T>
T* data_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

class CutlassGemm final : public SparseGemm {
 public:
  explicit CutlassGemm(const at::Tensor& weight)
      : type_(weight.scalar_type() == at::kHalf ? gemm::Type::kHalf : gemm::Type::kBFloat16),
        out_(static_cast<int>(weight.size(0))),
        in_(static_cast<int>(weight.size(1))),
        gpu_(gpu_of(weight.device())) {
    for (const Epilogue& each : kEpilogues) {
      kernels_.emplace(each, FittingKernels(type_, each, out_, in_));
    }
    const c10::cuda::CUDAGuard guard(weight.device());
    const gemm::CompressedBytes size = gemm::compressed_bytes(out_, in_, gpu_);
    values_ = bytes(size.values, weight.device());
    metadata_ = bytes(size.metadata, weight.device());
    const at::Tensor workspace = bytes(size.workspace, weight.device());
    const at::Tensor dense = weight.contiguous();
    // First, since kernels read it before the kernel before them has ended.
    if (gemm::is_stationary(out_, in_)) {
      fragments_ = bytes(gemm::fragment_bytes(out_, in_), weight.device());
      C10_CUDA_CHECK(gemm::lay_out_fragments(dense.const_data_ptr(), out_, in_, fragments_.mutable_data_ptr(),
                                             c10::cuda::getCurrentCUDAStream()));
    }
    C10_CUDA_CHECK(gemm::compress(dense.const_data_ptr(), out_, in_, values_.mutable_data_ptr(),
                                  metadata_.mutable_data_ptr(), workspace.mutable_data_ptr(), gpu_,
                                  c10::cuda::getCurrentCUDAStream()));
  }

  const std::vector<std::string>& kernels(Epilogue epilogue) const override {
    return kernels_.at(epilogue).names;
  }

  bool run(size_t kernel, const Operands& operands, at::Tensor& d) const override {
    gemm::Product product = product_of(operands.x, d);
    product.bias = operands.bias ? operands.bias->const_data_ptr() : nullptr;
    return run(*kernels_.at(operands.epilogue()).kernels[kernel], product, d.device());
  }

  bool run_norm(size_t kernel, const NormOperands& operands, at::Tensor& d) const override {
    gemm::Product product = product_of(operands.x, d);
    product.norms = data_of<gemm::RowNorm>(operands.norms);
    product.terms = data_of<gemm::OutTerm>(operands.terms);
    const gemm::Kernel& chosen = *kernels_.at(operands.epilogue()).kernels[kernel];
    at::Tensor sums;
    const int parts = out_ / chosen.summed_columns;
    if (operands.residual.defined()) {
      sums = at::empty({parts, d.size(0), 2}, operands.terms.options());
      product.residual = operands.residual.const_data_ptr();
      product.sums = data_of<float2>(sums);
    }
    if (!run(chosen, product, d.device())) return false;
    if (sums.defined()) {
      const c10::cuda::CUDAGuard guard(d.device());
      C10_CUDA_CHECK(
          gemm::row_norms(product.sums, parts, out_, product.tokens, static_cast<float>(operands.epsilon),
                          data_of<gemm::RowNorm>(operands.new_norms), c10::cuda::getCurrentCUDAStream()));
    }
    return true;
  }

 private:
  gemm::Product product_of(const at::Tensor& x, at::Tensor& d) const {
    gemm::Product product;
    product.out = out_;
    product.in = in_;
    product.tokens = static_cast<int>(x.size(0));
    product.values = values_.const_data_ptr();
    product.metadata = metadata_.const_data_ptr();
    product.fragments = data_of<const void>(fragments_);
    product.x = x.const_data_ptr();
    product.d = d.mutable_data_ptr();
    return product;
  }

  bool run(const gemm::Kernel& kernel, gemm::Product& product, at::Device device) const {
    const c10::cuda::CUDAGuard guard(device);
    // The guard does nothing where the device is current already; but a thread in which CUDA has not been
    // called yet has no context, without which CUTLASS cannot describe its tensors to the copy engine.
    C10_CUDA_CHECK(cudaSetDevice(device.index()));
    at::Tensor workspace;
    if (const size_t size = kernel.workspace_bytes(product, gpu_); size > 0) {
      workspace = bytes(size, device);
      product.workspace = workspace.mutable_data_ptr();
    }
    const cudaError_t error = kernel.run(product, gpu_, c10::cuda::getCurrentCUDAStream());
    if (error == cudaErrorNotSupported) return false;
    C10_CUDA_CHECK(error);
    return true;
  }

  gemm::Type type_;
  int out_;
  int in_;
  gemm::Gpu gpu_;
  std::map<Epilogue, FittingKernels> kernels_;
  at::Tensor values_;
  at::Tensor metadata_;
  at::Tensor fragments_;  // undefined: there are none
};

// The kernel module's own line; empty where it does not say.
std::string driver_version() {
  std::ifstream in("/proc/driver/nvidia/version");
  std::string line;
  std::getline(in, line);
  return line;
}

class Event {
 public:
  Event() { C10_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() { C10_CUDA_CHECK_WARN(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record() { C10_CUDA_CHECK(cudaEventRecord(event_, c10::cuda::getCurrentCUDAStream())); }
  float since(const Event& earlier) const {
    C10_CUDA_CHECK(cudaEventSynchronize(event_));
    float milliseconds = 0.0F;
    C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, earlier.event_, event_));
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class CutlassBackend final : public GemmBackend {
 public:
  std::string missing(at::Device device, at::ScalarType dtype, int64_t out, int64_t in) override {
    if (dtype != at::kHalf && dtype != at::kBFloat16) return "the 2:4 kernels are for float16 and bfloat16";
    if (fits_cutlass(device, out, in)) return "";
    const std::string reason = cusparselt_missing(device, dtype, out, in);
    if (reason.empty() || !is_hopper(device)) return reason;
    return "ours take weights of multiples of 8 and 32, not [" + std::to_string(out) + ", " +
           std::to_string(in) + "]; " + reason;
  }

  std::string environment(at::Device device) override {
    const cudaDeviceProp* gpu = at::cuda::getDeviceProperties(device.index());
    int runtime = 0;
    C10_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
    return std::string(gpu->name) + ", " + std::to_string(gpu->multiProcessorCount) + " multiprocessors; " +
           driver_version() + "; CUDA " + std::to_string(runtime) + ", LibTorch " + TORCH_VERSION +
           ", cuSPARSELt " + cusparselt_version() + ", prune2to4 " + PRUNE2TO4_VERSION;
  }

  std::unique_ptr<SparseGemm> compress(const at::Tensor& weight) override {
    return std::make_unique<CutlassGemm>(weight);
  }

  std::unique_ptr<SparseGemm> compress_for_all(std::function<at::Tensor()> weight) override {
    const at::Tensor dense = weight();
    const at::Device device = dense.device();
    const int64_t out = dense.size(0);
    const int64_t in = dense.size(1);
    std::unique_ptr<SparseGemm> cutlass;
    if (fits_cutlass(device, out, in)) cutlass = compress(dense);
    std::unique_ptr<CusparseltGemm> cusparselt;
    if (cusparselt_missing(device, dense.scalar_type(), out, in).empty()) {
      cusparselt = cusparselt_gemm({device, dense.scalar_type(), out, in, std::move(weight)});
    }
    return join_gemms(std::move(cutlass), std::move(cusparselt));
  }

  bool takes_norms(at::Device device) const override { return is_hopper(device); }

  const std::vector<std::string>& dense_kernels() const override { return prune2to4::dense_kernels(); }

  bool run_dense(size_t kernel, const at::Tensor& weight, const Operands& operands,
                 at::Tensor& d) const override {
    return prune2to4::run_dense(kernel, weight, operands, d);
  }

  bool capturing() override {
    return c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None;
  }

  double milliseconds(const std::function<void()>& work) override {
    Event start;
    Event end;
    at::cuda::sleep(kSleepCycles);
    start.record();
    for (int call = 0; call < kCalls; ++call) work();
    end.record();
    return end.since(start) / kCalls;
  }
};

}  // namespace
}  // namespace prune2to4

extern "C" __attribute__((visibility("default"))) prune2to4::GemmBackend* prune2to4_gemm_backend() {
  static prune2to4::CutlassBackend backend;
  return &backend;
}
