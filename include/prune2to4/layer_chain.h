// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "prune2to4/norm_linear.h"
#include "prune2to4/packed_weight.h"

namespace prune2to4 {

struct PackedLinear {
  c10::intrusive_ptr<PackedWeight> weight;
  at::Tensor bias;  // [out]
};

struct ChainedLayer {
  PackedLinear qkv;  // query, key and value as one: [3 width, width]
  PackedLinear attention_output;
  LayerNorm attention_norm;
  PackedLinear intermediate;
  PackedLinear output;
  LayerNorm output_norm;
};

// An encoder's layers on the CPU as chains of 2:4 products from one attention to the next: activations stay
// in the products' own layout, and each thread takes its tokens through all of a chain, waiting for no other.
// The bits of the result do not depend on the number of threads. Thread-safe.
class PRUNE2TO4_API LayerChain {
 public:
  // Biases lie on the CPU, in the dtype of what goes in and out: fp32, or bf16 where that is computed in
  // fp32. Nothing where there are no such kernels for one of the weights.
  static std::optional<LayerChain> make(const std::vector<ChainedLayer>& layers);
  ~LayerChain();
  LayerChain(LayerChain&&) noexcept;
  LayerChain& operator=(LayerChain&&) noexcept;

  // Whether the chain is to be taken for x: there are tokens enough, one thread, and it is the faster
  // one. That is measured once for each number of tokens and threads as kernels are; `by_layer` does from its
  // argument on, as if it were the first layer's attention, what is between two of them.
  bool takes(const at::Tensor& x, const std::function<void(const at::Tensor&)>& by_layer) const;
  // The kernel of all products where takes() has found the chain to be the faster one, as reports name it.
  std::optional<std::string> kernel(int64_t tokens) const;

  // x [T, width], contiguous, T > 0, normed, as the embedding gives it; `attend` makes [T, width] of a
  // layer's query, key and value [T, 3 width], whose memory the next layer's take. A new tensor, normed.
  at::Tensor run(const at::Tensor& x, const std::function<at::Tensor(const at::Tensor&)>& attend) const;

 private:
  struct Impl;
  explicit LayerChain(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace prune2to4
