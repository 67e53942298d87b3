// SPDX-License-Identifier: Apache-2.0
#include <cutlass/arch/grid_dependency_control.h>

#include "ops/cuda/early_launch.cuh"
#include "ops/cuda/gemm/gemm.h"

namespace prune2to4::gemm {
namespace {

constexpr int kThreads = 128;
constexpr int kPartsAtOnce = 8;

struct Sums {
  const float2* sums;
  int parts;
  int tokens;
  float width_inverse;
  float epsilon;
  RowNorm* norms;
};

__global__ void norms_of_sums(Sums of) {
  cutlass::arch::launch_dependent_grids();
  cutlass::arch::wait_on_dependent_grids();
  const int token = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (token >= of.tokens) return;
  const float2* from = of.sums + token;
  float2 total{0.0F, 0.0F};
  for (int part = 0; part < of.parts; part += kPartsAtOnce) {
    float2 of_part[kPartsAtOnce];  // all on their way before the first is waited for
#pragma unroll
    for (int i = 0; i < kPartsAtOnce; ++i)
      of_part[i] = part + i < of.parts ? from[int64_t{part + i} * of.tokens] : float2{0.0F, 0.0F};
#pragma unroll
    for (const float2& each : of_part) {
      total.x += each.x;
      total.y += each.y;
    }
  }
  const float mean = total.x * of.width_inverse;
  const float variance = fmaxf(fmaf(total.y, of.width_inverse, -mean * mean), 0.0F);
  const float scale = rsqrtf(variance + of.epsilon);
  of.norms[token] = {scale, -mean * scale};
}

}  // namespace

cudaError_t row_norms(const float2* sums, int parts, int width, int tokens, float epsilon, RowNorm* norms,
                      cudaStream_t stream) {
  const Sums of{sums, parts, tokens, 1.0F / static_cast<float>(width), epsilon, norms};
  return launch_early(norms_of_sums, (tokens + kThreads - 1) / kThreads, kThreads, 0, stream, of);
}

}  // namespace prune2to4::gemm
