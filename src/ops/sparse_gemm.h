// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ops/product_shape.h"
#include "prune2to4/api.h"
#include "prune2to4/fused_linear.h"

namespace prune2to4 {

// Of activation(x weight^T + bias) + residual; there is no residual with an activation. All are contiguous
// and 16-byte aligned, of one dtype and device.
struct Operands {
  at::Tensor x;                    // [T, in], T > 0
  std::optional<at::Tensor> bias;  // [out]
  Activation activation = Activation::kNone;
  std::optional<at::Tensor> residual;  // [T, out]

  Epilogue epilogue() const { return {activation, residual.has_value()}; }
};

// What products that take norms ask of a weight: multiples of kNormMultiple, and so many inputs.
constexpr int64_t kNormMultiple = 128;
constexpr int64_t kLeastNormInputs = 384;
// Rows whose norms they read at once, also beyond the last row.
constexpr int64_t kNormsTogether = 192;

// Of activation(norm(x) weight^T + bias), where `factors` are the sums over the weight's rows, or
// x weight^T + bias + norm(residual) * factors, where the result is normed next; norm is without weight and
// bias. All are contiguous and 16-byte aligned, on one device.
struct NormOperands {
  at::Tensor x;      // [T, in], T > 0
  at::Tensor norms;  // of x, or of the residual, as in HiddenRows; undefined: they are normed already
  at::Tensor terms;  // fp32 [out, 2]: factor and bias
  Activation activation = Activation::kNone;
  at::Tensor residual;   // [T, out]; undefined: there is none
  at::Tensor new_norms;  // the result's, written where there is a residual
  double epsilon = 0;    // of the new ones

  Epilogue epilogue() const { return {activation, residual.defined(), true}; }
};

// A 2:4 weight [out, in] compressed on one device.
class SparseGemm {
 public:
  virtual ~SparseGemm() = default;
  // The kernels for an epilogue; run() takes one by its index.
  virtual const std::vector<std::string>& kernels(Epilogue epilogue) const = 0;
  // The product into d [T, out], contiguous and 16-byte aligned. False, and nothing done, when the kernel
  // does not take this shape.
  virtual bool run(size_t kernel, const Operands& operands, at::Tensor& d) const = 0;
  // Whether it can be tried in a process that goes on: others may end in an error that takes all of the
  // process's work on the device along.
  virtual bool proven(size_t /*kernel*/, Epilogue /*epilogue*/) const { return true; }
  // The same with norms, where kernels() has kernels for such an epilogue.
  virtual bool run_norm(size_t /*kernel*/, const NormOperands& /*operands*/, at::Tensor& /*d*/) const {
    return false;
  }
};

// What the operators need of a device beyond LibTorch.
class GemmBackend {
 public:
  virtual ~GemmBackend() = default;
  // Why 2:4 products of such a weight cannot run there; empty: they can.
  virtual std::string missing(at::Device device, at::ScalarType dtype, int64_t out, int64_t in) = 0;
  // Which token counts share a measurement, and how many threads it is for; 0: that does not matter.
  virtual TokenBuckets buckets() const { return {}; }
  virtual int threads() const { return 0; }
  // How many of a bucket's tokens are timed with a weight [out, in].
  virtual int64_t timed_tokens(int64_t bucket, int64_t out, int64_t in) const {
    static_cast<void>(out), static_cast<void>(in);
    return bucket;
  }
  // Everything that a measurement there depends on: device, driver, library versions.
  virtual std::string environment(at::Device device) = 0;
  // `weight` [out, in] is on the device, with at most two non-zeros in each group of four.
  virtual std::unique_ptr<SparseGemm> compress(const at::Tensor& weight) = 0;
  // The same, and with kernels that want it compressed in another way, for which `weight` makes it again when
  // such a kernel is first run. While work is recorded a kernel runs that is ready.
  virtual std::unique_ptr<SparseGemm> compress_for_all(std::function<at::Tensor()> weight) {
    return compress(weight());
  }
  // Whether compress() gives kernels that take norms there.
  virtual bool takes_norms(at::Device /*device*/) const { return false; }
  // Kernels for any weight [out, in] that is contiguous and 16-byte aligned, as SparseGemm's. They take what
  // reordered() makes of it; !reorders(): the weight itself.
  virtual const std::vector<std::string>& dense_kernels() const = 0;
  virtual bool reorders() const { return false; }
  virtual at::Tensor reordered(const at::Tensor& weight) const { return weight; }
  virtual bool run_dense(size_t kernel, const at::Tensor& weight, const Operands& operands,
                         at::Tensor& d) const = 0;
  // Whether the current stream is being captured: nothing can be timed then.
  virtual bool capturing() = 0;
  // What `work` takes on the current stream; it runs a few times.
  virtual double milliseconds(const std::function<void()>& work) = 0;
};

// HiddenRows' norms for the rows of x, not yet computed.
PRUNE2TO4_API at::Tensor empty_norms(const at::Tensor& x);

// What a measurement of a product on `backend` holds for; `sparse`: 2:4 kernels are among the candidates.
ProductShape measured_shape(const GemmBackend& backend, at::Device device, at::ScalarType dtype, int64_t out,
                            int64_t in, int64_t tokens, Epilogue epilogue, bool sparse);

// The GPU's: in libprune2to4_ops_cuda.so beside libprune2to4_ops.so, loaded once. nullptr, and why, where it
// is not there or cannot be loaded.
PRUNE2TO4_API GemmBackend* gemm_backend(std::string& reason);

}  // namespace prune2to4
