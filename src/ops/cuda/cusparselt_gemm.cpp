// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/cusparselt_gemm.h"

#include <ATen/cuda/CUDAContextLight.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <atomic>

#include "ops/cuda/cusparselt_plan.h"
#include "prune2to4/lru_map.h"

namespace prune2to4 {
namespace {

constexpr size_t kKeptPlans = 64;
// What is known of 0.8 on compute capability 9.0. So many algorithms run; those behind, which it counts as
// well, end in an illegal instruction and take the context along.
constexpr int kHopperAlgorithms = 36;
constexpr bool kHopperIsKnown = CUSPARSELT_VER_MAJOR == 0 && CUSPARSELT_VER_MINOR == 8;

bool is_known(at::Device device) {
  const cudaDeviceProp* gpu = at::cuda::getDeviceProperties(device.index());
  return kHopperIsKnown && gpu->major == 9 && gpu->minor == 0;
}

at::Tensor bytes(size_t count, at::Device device) {
  return at::empty({static_cast<int64_t>(count)}, at::TensorOptions(device).dtype(at::kByte));
}

class Gemm final : public CusparseltGemm {
 public:
  explicit Gemm(SparseWeight weight)
      : weight_(std::move(weight)),
        shape_{weight_.dtype == at::kHalf ? CUDA_R_16F : CUDA_R_16BF, weight_.out, weight_.in},
        device_(cusparselt::device_handle(weight_.device.index())),
        of_(device_.of) {}

  const std::vector<std::string>& kernels(Epilogue epilogue) const override {
    static const std::vector<std::string> none;
    if (epilogue.norm) return none;
    const std::scoped_lock lock(device_.mutex);
    if (names_.empty()) {
      const c10::cuda::CUDAGuard guard(weight_.device);
      int count = cusparselt::algorithm_count(device_, shape_.type);
      if (is_known(weight_.device)) count = std::min(count, kHopperAlgorithms);
      for (int i = 0; i < count; ++i) names_.push_back("cuSPARSELt, algorithm " + std::to_string(i));
    }
    return names_;
  }

  // Its own default; it says nothing of which others run there.
  bool proven(size_t kernel, Epilogue) const override { return kernel == 0; }

  void compress() const override {
    const std::scoped_lock lock(device_.mutex);
    if (compressed_) return;
    const c10::cuda::CUDAGuard guard(weight_.device);
    const at::Tensor dense = weight_.weight().contiguous();
    cusparselt::Matrix matrix(of_);
    cusparselt::init_weight(device_, matrix, shape_);
    size_t size = 0;
    size_t buffer_size = 0;
    cusparselt::check(of_, of_.compressed_size(&device_.handle, matrix.get(), &size, &buffer_size),
                      "compressed size");
    values_ = bytes(size, weight_.device);
    const at::Tensor buffer = bytes(buffer_size, weight_.device);
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
    cusparselt::check(
        of_,
        of_.compress(&device_.handle, matrix.get(), /*isSparseA=*/1, CUSPARSE_OPERATION_NON_TRANSPOSE,
                     dense.const_data_ptr(), values_.mutable_data_ptr(), buffer.mutable_data_ptr(), stream),
        "compression");
    C10_CUDA_CHECK(cudaStreamSynchronize(stream));  // other streams may be the next to use it
    compressed_ = true;
  }

  bool is_compressed() const override { return compressed_; }

  bool run(size_t kernel, const Operands& operands, at::Tensor& d) const override {
    const c10::cuda::CUDAGuard guard(weight_.device);
    C10_CUDA_CHECK(cudaSetDevice(weight_.device.index()));  // a thread new to CUDA has no context
    compress();
    if (!run_rows(static_cast<int>(kernel), operands, d)) return false;
    if (operands.activation == Activation::kGelu) at::gelu_(d);  // its own is not for these types
    return true;
  }

 private:
  // The last rows, fewer than 8, are computed with those before them, which are computed twice.
  bool run_rows(int algorithm, const Operands& operands, at::Tensor& d) const {
    const int64_t tokens = d.size(0);
    if (tokens < cusparselt::kTokenMultiple) return run_padded(algorithm, operands, d);
    const int64_t whole = tokens / cusparselt::kTokenMultiple * cusparselt::kTokenMultiple;
    return multiply(algorithm, operands, d, 0, whole) &&
           (whole == tokens || multiply(algorithm, operands, d, tokens - cusparselt::kTokenMultiple,
                                        cusparselt::kTokenMultiple));
  }

  bool run_padded(int algorithm, const Operands& operands, at::Tensor& d) const {
    const int64_t tokens = d.size(0);
    const auto padded = [&](const at::Tensor& rows) {
      at::Tensor more = at::zeros({cusparselt::kTokenMultiple, rows.size(1)}, rows.options());
      more.narrow(0, 0, tokens).copy_(rows);
      return more;
    };
    Operands all = operands;
    all.x = padded(operands.x);
    if (operands.residual) all.residual = padded(*operands.residual);
    at::Tensor result = at::empty({cusparselt::kTokenMultiple, weight_.out}, d.options());
    if (!multiply(algorithm, all, result, 0, cusparselt::kTokenMultiple)) return false;
    d.copy_(result.narrow(0, 0, tokens));
    return true;
  }

  bool multiply(int algorithm, const Operands& operands, at::Tensor& d, int64_t first, int64_t tokens) const {
    const std::scoped_lock lock(device_.mutex);
    const cusparselt::Product* product =
        planned({algorithm, tokens, operands.bias ? operands.bias->const_data_ptr() : nullptr});
    if (product == nullptr) return false;
    const auto row = [first](const at::Tensor& matrix) {
      return matrix.narrow(0, first, matrix.size(0) - first);
    };
    at::Tensor into = row(d);
    const at::Tensor plus = operands.residual ? row(*operands.residual) : into;
    const float alpha = 1.0F;
    const float beta = operands.residual ? 1.0F : 0.0F;
    const at::Tensor workspace = bytes(product->workspace, weight_.device);
    cudaStream_t stream = c10::cuda::getCurrentCUDAStream();
    const cusparseStatus_t status =
        of_.matmul(&device_.handle, product->plan.get(), &alpha, values_.const_data_ptr(),
                   row(operands.x).const_data_ptr(), &beta, plus.const_data_ptr(), into.mutable_data_ptr(),
                   workspace.mutable_data_ptr(), &stream, 1);
    if (status == CUSPARSE_STATUS_NOT_SUPPORTED) return false;
    cusparselt::check(of_, status, "product");
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return true;
  }

  // nullptr: the algorithm does not take it.
  const cusparselt::Product* planned(const cusparselt::PlanKey& key) const {
    return plans_.get(key, [&] { return cusparselt::make_product(device_, shape_, key); }).get();
  }

  SparseWeight weight_;
  cusparselt::WeightShape shape_;
  cusparselt::DeviceHandle& device_;
  const cusparselt::Functions& of_;
  // Under the device's mutex, but for `compressed_`.
  mutable std::vector<std::string> names_;  // once there, they stay
  mutable std::atomic<bool> compressed_ = false;
  mutable at::Tensor values_;
  mutable LruMap<cusparselt::PlanKey, std::unique_ptr<cusparselt::Product>> plans_{kKeptPlans};
};

}  // namespace

std::string cusparselt_missing(at::Device device, at::ScalarType dtype, int64_t out, int64_t in) {
  const cudaDeviceProp* gpu = at::cuda::getDeviceProperties(device.index());
  if (gpu->major < 8) {
    return std::string(gpu->name) + " has compute capability " + std::to_string(gpu->major) + "." +
           std::to_string(gpu->minor) + ", and 2:4 products need 8.0";
  }
  if (out % cusparselt::kWeightMultiple != 0 || in % cusparselt::kWeightMultiple != 0) {
    return "a weight [" + std::to_string(out) + ", " + std::to_string(in) +
           "] does not fit cuSPARSELt: multiples of 16 are needed";
  }
  if (dtype == at::kHalf && is_known(device)) {
    return "cuSPARSELt takes a fifth of a second there for each number of tokens in float16";
  }
  std::string reason;
  cusparselt::functions(reason);
  return reason;
}

std::string cusparselt_version() {
  std::string reason;
  const cusparselt::Functions* of = cusparselt::functions(reason);
  if (of == nullptr) return {};
  std::string version;
  for (const libraryPropertyType part : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL}) {
    int number = 0;
    of->get_property(part, &number);
    version += (version.empty() ? "" : ".") + std::to_string(number);
  }
  return version;
}

std::unique_ptr<CusparseltGemm> cusparselt_gemm(SparseWeight weight) {
  return std::make_unique<Gemm>(std::move(weight));
}

}  // namespace prune2to4
