// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/cutlass.h>
#include <cutlass/epilogue/thread/activation.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cute/tensor.hpp>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/epilogue/fusion/operations.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>
#include <cutlass/util/packed_stride.hpp>

#include "ops/cuda/gemm/gemm.h"

namespace prune2to4::gemm {

using RowMajor = cutlass::layout::RowMajor;
using ColumnMajor = cutlass::layout::ColumnMajor;
using ProblemShape = cute::Shape<int, int, int, int>;  // out, tokens, in, 1

constexpr int kAlignment = 8;  // elements of 16 bytes

// One kernel: CUTLASS's example 62 with a bias for each output feature, and an activation, in the epilogue,
// which overlaps the next tile's products (ping-pong).
template <typename Element, typename Fusion, typename Tile, typename Cluster>
struct SparseGemm {
  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassSparseTensorOp, Tile, Cluster,
      cutlass::epilogue::collective::EpilogueTileAuto, float, float, void, ColumnMajor, kAlignment, Element,
      ColumnMajor, kAlignment, cutlass::epilogue::TmaWarpSpecialized, Fusion>::CollectiveOp;
  using MainLoop = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassSparseTensorOp, Element, RowMajor, kAlignment, Element,
      ColumnMajor, kAlignment, float, Tile, Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage))>,
      cutlass::gemm::KernelTmaWarpSpecializedPingpong>::CollectiveOp;
  using GemmKernel = cutlass::gemm::kernel::GemmUniversal<ProblemShape, MainLoop, Epilogue>;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<GemmKernel>;
  using Config = typename MainLoop::SparseConfig;

  static typename Gemm::Arguments arguments(const Product& product, const Gpu& gpu) {
    const ProblemShape shape(product.out, product.tokens, product.in, 1);
    const auto stride_x = cutlass::make_cute_packed_stride(typename GemmKernel::StrideB{},
                                                           cute::make_shape(product.tokens, product.in, 1));
    const auto stride_d = cutlass::make_cute_packed_stride(typename GemmKernel::StrideD{},
                                                           cute::make_shape(product.out, product.tokens, 1));
    cutlass::KernelHardwareInfo hardware;
    hardware.device_id = gpu.device;
    hardware.sm_count = gpu.multiprocessors;
    typename Gemm::Arguments result{
        cutlass::gemm::GemmUniversalMode::kGemm,
        shape,
        {static_cast<const Element*>(product.values), Config::fill_layoutA(shape),
         static_cast<const Element*>(product.x), stride_x,
         static_cast<const typename MainLoop::ElementE*>(product.metadata), Config::fill_layoutE(shape)},
        {{}, nullptr, {}, static_cast<Element*>(product.d), stride_d},
        hardware};
    result.epilogue.thread.alpha = 1.0F;
    result.epilogue.thread.beta = 0.0F;
    result.epilogue.thread.bias_ptr = static_cast<const Element*>(product.bias);
    return result;
  }

  static size_t workspace_bytes(const Product& product, const Gpu& gpu) {
    return Gemm::get_workspace_size(arguments(product, gpu));
  }

  static cudaError_t run(const Product& product, const Gpu& gpu, cudaStream_t stream) {
    const auto what = arguments(product, gpu);
    if (Gemm::can_implement(what) != cutlass::Status::kSuccess) return cudaErrorNotSupported;
    Gemm gemm;
    const bool done = gemm.initialize(what, product.workspace, stream) == cutlass::Status::kSuccess &&
                      gemm.run(stream, nullptr, /*launch_with_pdl=*/true) == cutlass::Status::kSuccess;
    const cudaError_t error = cudaGetLastError();
    return !done && error == cudaSuccess ? cudaErrorLaunchFailure : error;
  }

  static constexpr Kernel kernel(const char* name) { return {name, workspace_bytes, run}; }
};

template <typename Element>
using Bias = cutlass::epilogue::fusion::LinCombPerRowBias<Element, float, Element, Element, float>;

template <template <typename> class Activation, typename Element>
using BiasActivation =
    cutlass::epilogue::fusion::LinCombPerRowBiasEltAct<Activation, Element, float, Element, Element, float>;

template <int kOut, int kTokens, int kIn>
using Tile = cute::Shape<cute::Int<kOut>, cute::Int<kTokens>, cute::Int<kIn>>;
template <int kOut, int kTokens>
using Cluster = cute::Shape<cute::Int<kOut>, cute::Int<kTokens>, cute::_1>;

// The kernels for one epilogue, found by measuring: two blocks that share activations (2x1) or weights (1x2,
// for very many tokens), and narrower tiles for few tokens, where a wave of wide ones would leave
// multiprocessors idle. Larger clusters and 256x128 tiles are slower everywhere.
template <typename Element, typename Fusion>
Kernels kernels() {
  static constexpr Kernel kAll[] = {
      SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<2, 1>>::kernel(
          "128x128x128 pingpong, cluster 2x1"),
      SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<1, 2>>::kernel(
          "128x128x128 pingpong, cluster 1x2"),
      SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<1, 1>>::kernel("128x128x128 pingpong"),
      SparseGemm<Element, Fusion, Tile<128, 96, 128>, Cluster<1, 1>>::kernel("128x96x128 pingpong")};
  return {kAll, sizeof(kAll) / sizeof(kAll[0])};
}

}  // namespace prune2to4::gemm
