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

#include "ops/cuda/gemm/fusion.cuh"
#include "ops/cuda/gemm/gemm.h"
#include "ops/cuda/gemm/tile_terms.cuh"

namespace prune2to4::gemm {

using RowMajor = cutlass::layout::RowMajor;
using ColumnMajor = cutlass::layout::ColumnMajor;
using ProblemShape = cute::Shape<int, int, int, int>;  // out, tokens, in, 1

constexpr int kAlignment = 8;  // elements of 16 bytes

// The epilogue's way through a tile: kEpilogueRows rows by kColumnsOf at a time, with so many of the source's
// parts and of the result's in shared memory. By default as CUTLASS's builder chooses.
template <typename Fusion, int kColumnsOf = 32, int kSourceStages = 4,
          bool kReuseSource = !cute::is_void_v<typename Fusion::Source>>
struct EpilogueParts {
  static constexpr int kColumns = kColumnsOf;
  using Policy = cutlass::epilogue::Sm90TmaWarpSpecialized<kSourceStages, /*StagesD=*/2, kColumns / 2,
                                                           kReuseSource, /*DelayTmaStore=*/!kReuseSource>;
};

// One kernel: CUTLASS's example 62 with a fusion of fusion.cuh in the epilogue. That overlaps the next tile's
// products (ping-pong), but where both warpgroups compute one tile, of 256 outputs.
template <typename Element, typename Fusion, typename Tile, typename Cluster,
          typename Parts = EpilogueParts<Fusion>>
struct SparseGemm {
  static constexpr int kOut = cute::size<0>(Tile{});
  using Schedule = cute::conditional_t<kGroups<Tile> == 1, cutlass::gemm::KernelTmaWarpSpecializedPingpong,
                                       cutlass::gemm::KernelTmaWarpSpecializedCooperative>;
  using Epilogue = typename cutlass::epilogue::collective::detail::Sm90TmaBuilderImpl<
      Tile, cute::Shape<cute::Int<kEpilogueRows<Tile>>, cute::Int<Parts::kColumns>>, float, float,
      typename Fusion::Source, ColumnMajor, kAlignment, Element, ColumnMajor, kAlignment,
      typename Fusion::template Epilogue<Tile, Parts::kColumns>, typename Parts::Policy>::CollectiveOp;
  static constexpr size_t kTermBytes =
      Fusion::kTerms ? sizeof(TermBuffers<cute::size<0>(Tile{}), cute::size<1>(Tile{})>) : 0;
  using Products = typename cutlass::gemm::collective::CollectiveBuilder<
      cutlass::arch::Sm90, cutlass::arch::OpClassSparseTensorOp, Element, RowMajor, kAlignment, Element,
      ColumnMajor, kAlignment, float, Tile, Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(
          sizeof(typename Epilogue::SharedStorage) + kTermBytes)>,
      Schedule>::CollectiveOp;
  using MainLoop = cute::conditional_t<Fusion::kTerms, TermsMainLoop<Products>, Products>;
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
    typename MainLoop::Arguments operands;
    operands.ptr_A = static_cast<const Element*>(product.values);
    operands.layout_a = Config::fill_layoutA(shape);
    operands.ptr_B = static_cast<const Element*>(product.x);
    operands.dB = stride_x;
    operands.ptr_E = static_cast<const typename MainLoop::ElementE*>(product.metadata);
    operands.layout_e = Config::fill_layoutE(shape);
    if constexpr (Fusion::kTerms) {
      operands.norms = product.norms;
      operands.terms = product.terms;
    }
    typename Gemm::Arguments result{cutlass::gemm::GemmUniversalMode::kGemm,
                                    shape,
                                    operands,
                                    {{}, nullptr, {}, static_cast<Element*>(product.d), stride_d},
                                    hardware};
    Fusion::template set<Tile, Parts::kColumns>(result.epilogue.thread, product);
    if constexpr (!cute::is_void_v<typename Fusion::Source>) {
      result.epilogue.ptr_C = static_cast<const Element*>(product.residual);
      result.epilogue.dC = stride_d;
    }
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

  static constexpr Kernel kernel(const char* name) {
    return {name, [](int out, int /*in*/) { return kGroups<Tile> == 1 || out % kOut == 0; }, workspace_bytes,
            run, kOut};
  }
};

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

// Between norms: fewer, since each has an epilogue of its own to compile. Where `in` is small the epilogue is
// what takes longest, and goes in larger parts.
template <typename Element, typename Fusion>
Kernels norm_kernels() {
  static constexpr Kernel kAll[] = {
      SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<2, 1>,
                 EpilogueParts<Fusion, 64, 4, false>>::kernel("128x128x128 pingpong, cluster 2x1"),
      SparseGemm<Element, Fusion, Tile<128, 96, 128>, Cluster<1, 1>,
                 EpilogueParts<Fusion, 32, 6, false>>::kernel("128x96x128 pingpong")};
  return {kAll, sizeof(kAll) / sizeof(kAll[0])};
}

// With a residual: where `in` is large, what the source takes of shared memory is missing in the main loop.
// 256 outputs by one load of activations cost least of its time and power, 192 tokens if there are many;
// 256x144 are one wave of 6,144 tokens by 768 outputs, 128x80 one of 1,536.
template <typename Element, typename Fusion>
Kernels residual_kernels() {
  static constexpr Kernel kAll[] = {
      SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<2, 1>>::kernel(
          "128x128x128 pingpong, cluster 2x1"),
      SparseGemm<Element, Fusion, Tile<128, 128, 128>, Cluster<2, 1>, EpilogueParts<Fusion, 64, 4, false>>::
          kernel("128x128x128 pingpong, cluster 2x1, 64 columns"),
      SparseGemm<Element, Fusion, Tile<128, 96, 128>, Cluster<1, 1>,
                 EpilogueParts<Fusion, 32, 6, false>>::kernel("128x96x128 pingpong"),
      SparseGemm<Element, Fusion, Tile<128, 144, 128>, Cluster<2, 1>, EpilogueParts<Fusion, 48>>::kernel(
          "128x144x128 pingpong, cluster 2x1"),
      SparseGemm<Element, Fusion, Tile<256, 144, 128>, Cluster<1, 1>, EpilogueParts<Fusion, 48>>::kernel(
          "256x144x128 cooperative"),
      SparseGemm<Element, Fusion, Tile<256, 192, 128>, Cluster<1, 1>>::kernel("256x192x128 cooperative"),
      SparseGemm<Element, Fusion, Tile<128, 80, 128>, Cluster<1, 1>,
                 EpilogueParts<Fusion, 80, 2, false>>::kernel("128x80x128 pingpong")};
  return {kAll, sizeof(kAll) / sizeof(kAll[0])};
}

}  // namespace prune2to4::gemm
