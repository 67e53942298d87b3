// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"

namespace prune2to4::cpu {

struct TiledLinear {
  TiledWeight weight;
  const float* bias = nullptr;  // [rows]; nullptr: none
};

// What an encoder does between two attentions.
struct ChainLink {
  TiledLinear attention_output;
  Norm attention_norm;
  TiledLinear intermediate;
  TiledLinear output;
  Norm output_norm;
};

// Products one behind the other over activations that stay in the layout of tiles, each tile on one thread
// from the first product to the last. Bits depend neither on the number of threads nor on how many tokens
// come along. Not thread-safe.
class TileChain {
 public:
  // Whether it may pay: there is something in the tiles, and one thread. Two were 16 % slower so in a whole
  // BERT-base of 384 tokens: product by product they share a weight that one of them has brought, and here
  // they drift apart. Measuring one layer, whose weights stay in the caches, does not show that.
  static bool takes(const TiledKernel& kernel, int64_t tokens);

  // `element` is that of everything in rows.
  TileChain(const TiledKernel& kernel, int64_t tokens, int64_t width, Element element);
  // Of the memory for the hidden state h, which the caller provides and keeps while this is used.
  int64_t hidden_floats() const { return tiles_ * tile_floats(width_); }
  void set_hidden(float* hidden) { hidden_ = hidden; }

  // h = x [tokens, width]; out [tokens, rows] = linear(h).
  void begin(const void* x, const TiledLinear& linear, void* out) const;
  // h = norm(h + attention_output(context)); h = norm(h + output(gelu(intermediate(h)))); out [tokens, rows]
  // = linear(h), or without `linear` h itself. `context` is [tokens, width].
  void go_on(const ChainLink& link, const void* context, const TiledLinear* linear, void* out) const;

 private:
  struct Tile;
  template <typename Work>
  void for_each_tile(int64_t inner, const Work& work) const;
  int64_t tile_floats(int64_t features) const { return features * stride_; }
  void pack(const Tile& tile, const void* x, float* to) const;
  void write(const Tile& tile, const TiledLinear* linear, void* out) const;

  const TiledKernel& kernel_;
  int64_t tokens_;
  int64_t width_;
  Element element_;
  int64_t stride_;
  int64_t threads_;
  int64_t tile_tokens_;
  int64_t tiles_;
  float* hidden_ = nullptr;
};

}  // namespace prune2to4::cpu
