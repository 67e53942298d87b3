// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include "cuda/capture.h"
#include "cuda/fused.h"
#include "cuda/nccl_comm.h"
#include "prune2to4/cuda_backend.h"

namespace prune2to4 {
namespace {

using c10::cuda::CUDACachingAllocator::getDeviceStats;
using c10::cuda::CUDACachingAllocator::resetPeakStats;

// Of a multiprocessor in one cycle, dense, fp16 or bf16 with sums in fp32 (NVIDIA's A100 and H100
// whitepapers); 0: not known.
double half_operations(const cudaDeviceProp& gpu) {
  if (gpu.minor != 0) return 0;
  return gpu.major == 9 ? 4096 : gpu.major == 8 ? 2048 : 0;
}

class Backend final : public CudaBackend {
 public:
  std::unique_ptr<CapturedWork> capture(at::Device device, const std::function<void()>& work) override {
    return capture_work(device, work);
  }

  std::unique_ptr<Comm> nccl(std::unique_ptr<WatchedComm> host, at::Device device) override {
    return make_nccl_comm(std::move(host), device);
  }

  void set_device(at::Device device) override { c10::cuda::set_device(device.index()); }

  void synchronize(at::Device device) override {
    const c10::cuda::CUDAGuard guard(device);
    c10::cuda::device_synchronize();
  }

  void reset_peak_bytes(at::Device device) override {
    at::globalContext().lazyInitDevice(at::kCUDA);
    resetPeakStats(device.index());
  }

  int64_t peak_bytes(at::Device device) override {
    at::globalContext().lazyInitDevice(at::kCUDA);
    constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return getDeviceStats(device.index()).allocated_bytes[kAll].peak;
  }

  std::string device_name(at::Device device) override {
    return at::cuda::getDeviceProperties(device.index())->name;
  }

  bool has_bf16(at::Device device) override {
    return at::cuda::getDeviceProperties(device.index())->major >= 8;
  }

  double peak_flops(at::Device device, at::ScalarType dtype) override {
    if (dtype != at::kHalf && dtype != at::kBFloat16) return 0;
    const cudaDeviceProp* gpu = at::cuda::getDeviceProperties(device.index());
    int kilohertz = 0;
    C10_CUDA_CHECK(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, device.index()));
    return half_operations(*gpu) * gpu->multiProcessorCount * 1e3 * kilohertz;
  }

  bool has_kernels() const override { return fused::available(); }

  DropoutAddNorm dropout_add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                                  const at::Tensor& bias, double epsilon, double dropout) override {
    return fused::dropout_add_norm(x, residual, weight, bias, epsilon, dropout);
  }

  DropoutAddNormGradients dropout_add_norm_backward(const at::Tensor& dy, const DropoutAddNorm& forward,
                                                    const at::Tensor& weight, double dropout) override {
    return fused::dropout_add_norm_backward(dy, forward, weight, dropout);
  }

  std::pair<at::Tensor, at::Tensor> gelu_backward(const at::Tensor& dy, const at::Tensor& x) override {
    return fused::gelu_backward(dy, x);
  }

  at::Tensor column_sum(const at::Tensor& x) override { return fused::column_sum(x); }

  at::Tensor add_norm(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                      const at::Tensor& bias, double epsilon) override {
    return fused::add_norm(x, residual, weight, bias, epsilon);
  }

  void span_logits(const SpanHead& head, const at::Tensor& x, const at::Tensor& residual,
                   const at::Tensor& slots, at::Tensor& logits) override {
    fused::span_logits(head, x, residual, slots, logits);
  }

  at::Tensor embed_norm(const EmbeddingTables& tables, const at::Tensor& ids, const at::Tensor& places,
                        const at::Tensor& types) override {
    return fused::embed_norm(tables, ids, places, types);
  }

  at::Tensor masked_norm(const at::Tensor& gradients, const at::Tensor& mask) override {
    return fused::masked_norm(gradients, mask);
  }
  void adamw(const AdamWStep& step) override { fused::adamw(step); }
};

}  // namespace
}  // namespace prune2to4

extern "C" __attribute__((visibility("default"))) prune2to4::CudaBackend* prune2to4_cuda_backend() {
  static prune2to4::Backend backend;
  return &backend;
}
