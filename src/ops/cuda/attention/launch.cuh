// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cuda/attention/attention.cuh"
#include "ops/cuda/early_launch.cuh"
#include "ops/cuda/tensor_map.cuh"

namespace prune2to4::attention {

// Tiles of kRows rows and a head's width in [tokens, 3 * heads * width]. Of three coordinates the last two
// both count rows, from kRows rows before the first on; their sum is the row. The second ends at kRows, where
// zeros begin: that is how a tile ends within the matrix.
template <typename C>
cudaError_t encode(const Call& call, CUtensorMap& map) {
  const cuuint64_t columns = cuuint64_t{3} * static_cast<cuuint64_t>(call.heads) * C::kWidth;
  const cuuint64_t row = columns * sizeof(typename C::Element);
  const cuuint64_t sizes[] = {columns, kRows, static_cast<cuuint64_t>(call.tokens) + kRows};
  const cuuint64_t strides[] = {row, row};
  const cuuint32_t box[] = {C::kWidth, kRows, 1};
  const auto start = reinterpret_cast<uintptr_t>(call.qkv) - kRows * row;
  return prune2to4::encode<typename C::Element, 3>(map, reinterpret_cast<const void*>(start), sizes, strides,
                                                   box);
}

template <typename C>
cudaError_t launch(const Call& call, cudaStream_t stream) {
  constexpr int kBytes = static_cast<int>(sizeof(typename C::Shared));
  int device = 0;
  int multiprocessors = 0;
  if (const cudaError_t error = cudaGetDevice(&device); error != cudaSuccess) return error;
  if (const cudaError_t error =
          cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device);
      error != cudaSuccess) {
    return error;
  }
  CUtensorMap map;
  if (const cudaError_t error = encode<C>(call, map); error != cudaSuccess) return error;
  if (const cudaError_t error =
          cudaFuncSetAttribute(attend<C>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
      error != cudaSuccess) {
    return error;
  }
  return launch_early(attend<C>, multiprocessors, C::kThreads, kBytes, stream, map, call);
}

// Where a team's queries and keys divide every sequence, it needs less of the caches and of shared memory;
// where they do not, single warpgroups are faster.
template <typename Element, int kWidth>
cudaError_t launch_by_length(const Call& call, cudaStream_t stream) {
  using Team = Config<Element, kWidth, 3>;
  const bool divides = call.length > 0 && call.length % Team::kQueries == 0 && call.length % Team::kKeys == 0;
  return divides ? launch<Team>(call, stream) : launch<Config<Element, kWidth, 1>>(call, stream);
}

template <typename Element>
cudaError_t launch_for(int width, const Call& call, cudaStream_t stream) {
  if (width == 64) return launch_by_length<Element, 64>(call, stream);
  if (width == 32) return launch_by_length<Element, 32>(call, stream);
  return cudaErrorNotSupported;
}

}  // namespace prune2to4::attention
