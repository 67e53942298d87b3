// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/kernels/row_shape.cuh"

namespace prune2to4::kernels {

struct RowStatistics {
  float mean;
  float rstd;
};

// A thread's vectors of a row.
template <typename Shape>
using RowValues = float[Shape::kVectorsOfThread][kVectorWidth];

// Makes values (values - mean) * rstd * weight + bias, of a row of `width`. Statistics in two passes over
// registers. All threads of the row take part.
template <typename Shape>
__device__ RowStatistics normalise(RowValues<Shape>& values, int width, int thread, const float* weight,
                                   const float* bias, float epsilon) {
  constexpr int kVectors = Shape::kVectorsOfThread;
  const int vectors = width / kVectorWidth;
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (thread + i * Shape::kThreads >= vectors) continue;
    for (int k = 0; k < kVectorWidth; ++k) sum += values[i][k];
  }
  const float mean = group_sum<Shape::kWarpsOfRow>(sum) / static_cast<float>(width);
  float squares = 0.0F;
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    if (thread + i * Shape::kThreads >= vectors) continue;
    for (int k = 0; k < kVectorWidth; ++k) squares += (values[i][k] - mean) * (values[i][k] - mean);
  }
  const float variance = group_sum<Shape::kWarpsOfRow>(squares) / static_cast<float>(width);
  const float rstd = rsqrtf(variance + epsilon);
#pragma unroll
  for (int i = 0; i < kVectors; ++i) {
    const int vector = thread + i * Shape::kThreads;
    if (vector >= vectors) continue;
    float weights[kVectorWidth];
    float biases[kVectorWidth];
    load(weight + vector * kVectorWidth, weights);
    load(bias + vector * kVectorWidth, biases);
    for (int k = 0; k < kVectorWidth; ++k)
      values[i][k] = (values[i][k] - mean) * rstd * weights[k] + biases[k];
  }
  return {mean, rstd};
}

// To `y`, a row of `width`, rounded.
template <typename T, typename Shape>
__device__ void store_row(const RowValues<Shape>& values, int width, int thread, T* y) {
#pragma unroll
  for (int i = 0; i < Shape::kVectorsOfThread; ++i) {
    const int vector = thread + i * Shape::kThreads;
    if (vector >= width / kVectorWidth) continue;
    Vector<T> rounded;
    rounded.from(values[i]);
    store(y + vector * kVectorWidth, rounded);
  }
}

}  // namespace prune2to4::kernels
