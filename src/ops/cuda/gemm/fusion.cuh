// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cutlass/epilogue/fusion/operations.hpp>

#include "ops/cuda/gemm/gemm.h"
#include "ops/cuda/gemm/norm_nodes.cuh"
#include "ops/cuda/gemm/row_sums.cuh"

// What the kernels do with a product before it is written: CUTLASS's epilogues, or trees of its nodes and
// ours. Each names the type of the matrix that it reads beside the product, void for none, whether it reads
// terms, the epilogue for a tile, and takes its arguments from a Product.
namespace prune2to4::gemm {

template <typename Element>
struct BiasFusion {
  using Source = void;
  static constexpr bool kTerms = false;
  template <typename Tile, int kColumns>
  using Epilogue = cutlass::epilogue::fusion::LinCombPerRowBias<Element, float, Element, Element, float>;

  template <typename Tile, int kColumns, typename Arguments>
  static void set(Arguments& arguments, const Product& product) {
    arguments.alpha = 1.0F;
    arguments.beta = 0.0F;
    arguments.bias_ptr = static_cast<const Element*>(product.bias);
  }
};

template <template <typename> class Activation, typename Element>
struct BiasActivationFusion : BiasFusion<Element> {
  template <typename Tile, int kColumns>
  using Epilogue =
      cutlass::epilogue::fusion::LinCombPerRowBiasEltAct<Activation, Element, float, Element, Element, float>;
};

// norm(x) W^T + bias.
template <typename Element>
struct NormFusion {
  using Source = void;
  static constexpr bool kTerms = true;
  template <typename Tile, int kColumns>
  using Epilogue = cutlass::epilogue::fusion::Sm90EVT<NormedProduct, TileTerms<Tile, kColumns>>;

  template <typename Tile, int kColumns, typename Arguments>
  static void set(Arguments& arguments, const Product& product) {
    arguments = {product.norms != nullptr, {}};
  }
};

// gelu(norm(x) W^T + bias).
template <typename Element>
struct NormGeluFusion {
  using Source = void;
  static constexpr bool kTerms = true;
  template <typename Tile, int kColumns>
  using Epilogue =
      cutlass::epilogue::fusion::Sm90EVT<GeluOf<Element>,
                                         typename NormFusion<Element>::template Epilogue<Tile, kColumns>>;

  template <typename Tile, int kColumns, typename Arguments>
  static void set(Arguments& arguments, const Product& product) {
    arguments = {{product.norms != nullptr, {}}, {}};
  }
};

// x W^T + bias + norm(residual) * factor, and the sums over its rows.
template <typename Element>
struct ResidualNormFusion {
  using Source = Element;
  static constexpr bool kTerms = true;
  template <typename Tile, int kColumns>
  using Sum =
      cutlass::epilogue::fusion::Sm90EVT<NormedResidual, cutlass::epilogue::fusion::Sm90SrcFetch<Element>,
                                         TileTerms<Tile, kColumns>>;
  template <typename Tile, int kColumns>
  using Epilogue = cutlass::epilogue::fusion::Sm90EVT<RowSums<Tile, kColumns>, Sum<Tile, kColumns>>;

  template <typename Tile, int kColumns, typename Arguments>
  static void set(Arguments& arguments, const Product& product) {
    arguments = {{{}, product.norms != nullptr, {}}, {product.sums}};
  }
};

}  // namespace prune2to4::gemm
