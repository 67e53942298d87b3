// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/sparse_gemm.h"
#include "prune2to4/api.h"

namespace prune2to4 {

namespace cpu {
struct Kernels;

// Those that this CPU can run, the best first. The environment variable PRUNE2TO4_CPU (portable, avx2,
// avx512, avx512-bf16, amx) names the best one that is taken; a name that is none of these is ignored with a
// warning.
PRUNE2TO4_API std::vector<const Kernels*> available_kernels();

// A 2:4 weight [out, in], fp32 or bf16, for one set of kernels.
PRUNE2TO4_API std::unique_ptr<SparseGemm> compress(const at::Tensor& weight, const Kernels& kernels);
}  // namespace cpu

// 2:4 products on the CPU by LibTorch's threads, in fp32 and bf16 with sums in fp32. nullptr for other types,
// and for weights too small to gain: those are computed dense, and never timed.
PRUNE2TO4_API GemmBackend* cpu_backend(at::ScalarType dtype, int64_t out, int64_t in);

// Fewer tokens than on a GPU are told apart; beyond the last bucket, time is proportional to them.
constexpr TokenBuckets kCpuBuckets{.first = 1, .halved_from = 64, .last = 2048};

}  // namespace prune2to4
