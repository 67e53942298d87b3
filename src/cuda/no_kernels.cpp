// SPDX-License-Identifier: Apache-2.0
#include "cuda/fused.h"
#include "prune2to4/error.h"

namespace prune2to4::fused {
namespace {

[[noreturn]] void fail() {
  throw Error(ExitStatus::kDevice, "device",
              "this prune2to4 was built without CUDA kernels of its own; build it with "
              "PRUNE2TO4_CUDA_KERNELS=ON, which "
              "needs nvcc");
}

}  // namespace

bool available() { return false; }

DropoutAddNorm dropout_add_norm(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                double, double) {
  fail();
}

DropoutAddNormGradients dropout_add_norm_backward(const at::Tensor&, const DropoutAddNorm&, const at::Tensor&,
                                                  double) {
  fail();
}

std::pair<at::Tensor, at::Tensor> gelu_backward(const at::Tensor&, const at::Tensor&) { fail(); }

at::Tensor column_sum(const at::Tensor&) { fail(); }

at::Tensor add_norm(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double) {
  fail();
}

void span_logits(const SpanHead&, const at::Tensor&, const at::Tensor&, const at::Tensor&, at::Tensor&) {
  fail();
}

at::Tensor embed_norm(const EmbeddingTables&, const at::Tensor&, const at::Tensor&, const at::Tensor&) {
  fail();
}

at::Tensor masked_norm(const at::Tensor&, const at::Tensor&) { fail(); }

void adamw(const AdamWStep&) { fail(); }

}  // namespace prune2to4::fused
