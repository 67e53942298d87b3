// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/array.h>

#include "ops/cuda/gemm/gelu.cuh"
#include "ops/cuda/gemm/tile_terms.cuh"

// Nodes that compute: LayerNorm as part of the products around it, and GELU.
namespace prune2to4::gemm {

// norm(x) W^T + bias, of x W^T: each row's scale and shift come after the product.
struct NormedProduct : fusion::Sm90VisitorImpl<> {
  using Sm90VisitorImpl<>::Sm90VisitorImpl;

  struct Callbacks : fusion::detail::EmptyConsumerStoreCallbacks {
    template <int kCount>
    CUTLASS_DEVICE auto visit(const cutlass::Array<float, kCount>& product, int /*epi_v*/, int /*epi_m*/,
                              int /*epi_n*/, const cutlass::Array<Terms, kCount>& terms) {
      cutlass::Array<float, kCount> result;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const auto& [norm, out] = terms[i];
        result[i] = fmaf(norm.scale, product[i], fmaf(norm.shift, out.factor, out.bias));
      }
      return result;
    }
  };

  template <bool kReferenceSource, typename... Args>
  CUTLASS_DEVICE static auto get_consumer_store_callbacks(
      const fusion::detail::ConsumerStoreArgs<Args...>& /*args*/) {
    return Callbacks{};
  }
};

// x W^T + bias + norm(residual) * factor.
struct NormedResidual : fusion::Sm90VisitorImpl<> {
  using Sm90VisitorImpl<>::Sm90VisitorImpl;

  struct Callbacks : fusion::detail::EmptyConsumerStoreCallbacks {
    template <typename Source, int kCount>
    CUTLASS_DEVICE auto visit(const cutlass::Array<float, kCount>& product, int /*epi_v*/, int /*epi_m*/,
                              int /*epi_n*/, const cutlass::Array<Source, kCount>& residual,
                              const cutlass::Array<Terms, kCount>& terms) {
      const auto wide = cutlass::NumericArrayConverter<float, Source, kCount>{}(residual);
      cutlass::Array<float, kCount> result;
      CUTLASS_PRAGMA_UNROLL
      for (int i = 0; i < kCount; ++i) {
        const auto& [norm, out] = terms[i];
        result[i] = fmaf(out.factor, fmaf(norm.scale, wide[i], norm.shift), product[i] + out.bias);
      }
      return result;
    }
  };

  template <bool kReferenceSource, typename... Args>
  CUTLASS_DEVICE static auto get_consumer_store_callbacks(
      const fusion::detail::ConsumerStoreArgs<Args...>& /*args*/) {
    return Callbacks{};
  }
};

// gelu, rounded to the result's type here and now: fp16 is computed in pairs that need not become fp32 again.
template <typename Element>
struct GeluOf : fusion::Sm90VisitorImpl<> {
  using Sm90VisitorImpl<>::Sm90VisitorImpl;

  struct Callbacks : fusion::detail::EmptyConsumerStoreCallbacks {
    template <int kCount>
    CUTLASS_DEVICE auto visit(const cutlass::Array<float, kCount>& /*product*/, int /*epi_v*/, int /*epi_m*/,
                              int /*epi_n*/, const cutlass::Array<float, kCount>& x) {
      if constexpr (cute::is_same_v<Element, cutlass::half_t>) {
        cutlass::AlignedArray<cutlass::half_t, kCount> result;
        auto* pairs = reinterpret_cast<__half2*>(result.data());
        CUTLASS_PRAGMA_UNROLL
        for (int i = 0; i < kCount / 2; ++i) pairs[i] = gelu(__floats2half2_rn(x[2 * i], x[2 * i + 1]));
        return static_cast<cutlass::Array<cutlass::half_t, kCount>>(result);
      } else {
        return cutlass::NumericArrayConverter<Element, float, kCount>{}(
            Gelu<cutlass::Array<float, kCount>>{}(x));
      }
    }
  };

  template <bool kReferenceSource, typename... Args>
  CUTLASS_DEVICE static auto get_consumer_store_callbacks(
      const fusion::detail::ConsumerStoreArgs<Args...>& /*args*/) {
    return Callbacks{};
  }
};

}  // namespace prune2to4::gemm
