// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/tile_chain.h"

#include <algorithm>

#include "ops/cpu/parallel.h"

namespace prune2to4::cpu {
namespace {

thread_local Scratch inner_memory;
thread_local Scratch sums_memory;

}  // namespace

struct TileChain::Tile {
  int64_t first;  // token
  int64_t tokens;
  float* hidden;
  float* inner;  // of the thread
  float* sums;
};

bool TileChain::takes(const TiledKernel& kernel, int64_t tokens) {
  return kernel.multiply_tile != nullptr && usable_threads() == 1 &&
         2 * vectors_of_tile(kernel, tokens, 1) >= static_cast<int64_t>(kernel.vectors);
}

TileChain::TileChain(const TiledKernel& kernel, int64_t tokens, int64_t width, Element element)
    : kernel_(kernel),
      tokens_(tokens),
      width_(width),
      element_(element),
      stride_(kernel.lanes * static_cast<int64_t>(kernel.vectors)),
      threads_(usable_threads()),
      tile_tokens_(vectors_of_tile(kernel, tokens, threads_) * kernel.lanes),
      tiles_(rounded_quotient(tokens, tile_tokens_)) {}

template <typename Work>
void TileChain::for_each_tile(int64_t inner, const Work& work) const {
  share_out(tiles_, threads_, [&](int64_t i) {
    const int64_t first = i * tile_tokens_;
    work(Tile{first, std::min(tile_tokens_, tokens_ - first), hidden_ + i * tile_floats(width_),
              inner_memory.floats(tile_floats(inner)),
              sums_memory.floats(tile_floats(std::max(width_, kTiledRows)))});
  });
}

void TileChain::pack(const Tile& tile, const void* x, float* to) const {
  const int64_t size = element_ == Element::kFloat ? 4 : 2;
  kernel_.pack(static_cast<const char*>(x) + tile.first * width_ * size, element_, tile.tokens, width_ / 4,
               to);
}

void TileChain::write(const Tile& tile, const TiledLinear* linear, void* out) const {
  const int64_t columns = linear == nullptr ? width_ : linear->weight.rows;
  const int64_t size = element_ == Element::kFloat ? 4 : 2;
  Output output;
  output.out = static_cast<char*>(out) + tile.first * columns * size;
  output.element = element_;
  if (linear == nullptr) return kernel_.unpack(tile.hidden, tile.tokens, width_, output);
  output.bias = linear->bias;
  kernel_.multiply(linear->weight, tile.hidden, tile.tokens, 0, columns, output, tile.sums);
}

void TileChain::begin(const void* x, const TiledLinear& linear, void* out) const {
  for_each_tile(0, [&](const Tile& tile) {
    pack(tile, x, tile.hidden);
    write(tile, &linear, out);
  });
}

void TileChain::go_on(const ChainLink& link, const void* context, const TiledLinear* linear,
                      void* out) const {
  const auto multiply = [&](const TiledLinear& by, const Tile& tile, const float* from, bool gelu,
                            float* to) {
    kernel_.multiply_tile(by.weight, from, tile.tokens, by.bias, gelu, to);
  };
  for_each_tile(std::max(width_, link.intermediate.weight.rows), [&](const Tile& tile) {
    pack(tile, context, tile.inner);
    multiply(link.attention_output, tile, tile.inner, false, tile.sums);
    kernel_.add_norm(link.attention_norm, tile.tokens, width_, tile.sums, tile.hidden);
    multiply(link.intermediate, tile, tile.hidden, true, tile.inner);
    multiply(link.output, tile, tile.inner, false, tile.sums);
    kernel_.add_norm(link.output_norm, tile.tokens, width_, tile.sums, tile.hidden);
    write(tile, linear, out);
  });
}

}  // namespace prune2to4::cpu
