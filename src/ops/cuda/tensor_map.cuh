// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <type_traits>

#include <cutlass/numeric_types.h>

namespace prune2to4 {

// A tensor as the copy engine sees it: sizes and box from the innermost dimension on, strides of the others
// in bytes. The box's rows are swizzled in shared memory.
template <typename Element, int kDimensions>
cudaError_t encode(CUtensorMap& map, const void* start, const cuuint64_t (&sizes)[kDimensions],
                   const cuuint64_t (&strides)[kDimensions - 1], const cuuint32_t (&box)[kDimensions]) {
  static const auto driver = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                               cudaEnableDefault, &found);
    return error == cudaSuccess && found == cudaDriverEntryPointSuccess
               ? reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function)
               : nullptr;
  }();
  if (driver == nullptr) return cudaErrorNotSupported;
  static_assert(sizeof(Element) == 2);
  const bool half = std::is_same_v<Element, cutlass::half_t>;
  const bool wide = box[0] * sizeof(Element) == 128;
  cuuint32_t steps[kDimensions];
  for (cuuint32_t& step : steps) step = 1;
  const CUresult done =
      driver(&map, half ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, kDimensions,
             const_cast<void*>(start), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
             wide ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return done == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace prune2to4
