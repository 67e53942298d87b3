// SPDX-License-Identifier: Apache-2.0
#include <cutlass/transform/device/transform_universal_adapter.hpp>
#include <cutlass/transform/kernel/sparse_gemm_compressor.hpp>

#include "ops/cuda/gemm/sparse_gemm.cuh"

namespace prune2to4::gemm {
namespace {

// A bf16 weight is compressed by its bits: nothing but zero looks like zero.
using Element = cutlass::half_t;
// The layout depends on the element's size and the tile's depth, which all kernels share.
using Config = SparseGemm<Element, BiasFusion<Element>, Tile<128, 128, 128>, Cluster<1, 1>>::Config;
using Utility =
    cutlass::transform::kernel::StructuredSparseCompressorUtility<ProblemShape, Element, RowMajor, Config>;
using Compressor = cutlass::transform::device::TransformUniversalAdapter<
    cutlass::transform::kernel::StructuredSparseCompressor<ProblemShape, Element, RowMajor, Config,
                                                           cutlass::arch::Sm90>>;

auto stride_of(int out, int in) {
  return cutlass::make_cute_packed_stride(cutlass::gemm::TagToStrideA_t<RowMajor>{},
                                          cute::make_shape(out, in, 1));
}

Compressor::Arguments arguments(const void* weight, int out, int in, void* values, void* metadata,
                                const Gpu& gpu) {
  cutlass::KernelHardwareInfo hardware;
  hardware.device_id = gpu.device;
  hardware.sm_count = gpu.multiprocessors;
  return {ProblemShape(out, 1, in, 1),
          {static_cast<const Element*>(weight), stride_of(out, in), static_cast<Element*>(values),
           static_cast<Config::ElementEMmaRaw*>(metadata)},
          {hardware}};
}

}  // namespace

CompressedBytes compressed_bytes(int out, int in, const Gpu& gpu) {
  const Utility utility(ProblemShape(out, 1, in, 1), stride_of(out, in));
  return {utility.get_compressed_tensor_A_bytes(), utility.get_tensor_E_bytes(),
          Compressor::get_workspace_size(arguments(nullptr, out, in, nullptr, nullptr, gpu))};
}

cudaError_t compress(const void* weight, int out, int in, void* values, void* metadata, void* workspace,
                     const Gpu& gpu, cudaStream_t stream) {
  const auto what = arguments(weight, out, in, values, metadata, gpu);
  Compressor compressor;
  if (compressor.can_implement(what) != cutlass::Status::kSuccess) return cudaErrorNotSupported;
  const bool done = compressor.initialize(what, workspace, stream) == cutlass::Status::kSuccess &&
                    compressor.run(stream) == cutlass::Status::kSuccess;
  const cudaError_t error = cudaGetLastError();
  return !done && error == cudaSuccess ? cudaErrorLaunchFailure : error;
}

}  // namespace prune2to4::gemm
