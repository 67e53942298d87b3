// SPDX-License-Identifier: Apache-2.0
#include "cuda/kernels/kernels.h"

// Compiled with approximate division and square root, off by two units in the last place: the exact ones take
// a slow way for zeros, of which weights under a mask have half. at::_fused_adamw_ needs a quarter more time
// for them.
namespace prune2to4::kernels {
namespace {

constexpr int kThreads = 256;
constexpr int kQuad = 4;  // elements of 16 bytes

// What all elements share, of this step.
struct Scalars {
  float divisor;
  float decay;  // what is left of a weight
  float step_size;
  float root_correction;  // of the second moment's bias
};

__device__ Scalars scalars(const AdamWArguments& arguments) {
  const double steps = *arguments.steps;
  const double rate = *arguments.rate;
  return {*arguments.divisor, static_cast<float>(1 - rate * arguments.weight_decay),
          static_cast<float>(rate / (1 - pow(arguments.beta1, steps))),
          static_cast<float>(sqrt(1 - pow(arguments.beta2, steps)))};
}

__device__ inline void update(const AdamWArguments& arguments, const Scalars& all, bool decays, float& value,
                              float gradient, float& mean, float& square) {
  const float g = gradient / all.divisor;
  const auto beta1 = static_cast<float>(arguments.beta1);
  const auto beta2 = static_cast<float>(arguments.beta2);
  mean += (1 - beta1) * (g - mean);
  square = beta2 * square + (1 - beta2) * g * g;
  const float denominator = sqrtf(square) / all.root_correction + static_cast<float>(arguments.epsilon);
  value = (decays ? value * all.decay : value) - all.step_size * mean / denominator;
}

__global__ void __launch_bounds__(kThreads) adamw_all(AdamWArguments arguments) {
  __shared__ Scalars all;
  if (*arguments.skipped != 0) return;
  if (threadIdx.x == 0) all = scalars(arguments);
  __syncthreads();
  const int64_t first = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kQuad;
  if (first + kQuad > arguments.size) {
    for (int64_t i = first; i < arguments.size; ++i) {
      update(arguments, all, i < arguments.decayed, arguments.values[i], arguments.gradients[i],
             arguments.exp_avg[i], arguments.exp_avg_sq[i]);
    }
    return;
  }
  auto* values = reinterpret_cast<float4*>(arguments.values + first);
  auto* means = reinterpret_cast<float4*>(arguments.exp_avg + first);
  auto* squares = reinterpret_cast<float4*>(arguments.exp_avg_sq + first);
  const float4 gradient = *reinterpret_cast<const float4*>(arguments.gradients + first);
  float4 value = *values;
  float4 mean = *means;
  float4 square = *squares;
  update(arguments, all, first < arguments.decayed, value.x, gradient.x, mean.x, square.x);
  update(arguments, all, first + 1 < arguments.decayed, value.y, gradient.y, mean.y, square.y);
  update(arguments, all, first + 2 < arguments.decayed, value.z, gradient.z, mean.z, square.z);
  update(arguments, all, first + 3 < arguments.decayed, value.w, gradient.w, mean.w, square.w);
  *values = value;
  *means = mean;
  *squares = square;
}

}  // namespace

cudaError_t adamw(const AdamWArguments& arguments, cudaStream_t stream) {
  if (arguments.size == 0) return cudaSuccess;
  const int64_t blocks = (arguments.size + kThreads * kQuad - 1) / (kThreads * kQuad);
  adamw_all<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(arguments);
  return cudaGetLastError();
}

}  // namespace prune2to4::kernels
