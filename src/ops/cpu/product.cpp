// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/product.h"

#include <algorithm>
#include <cstdint>

#include "ops/cpu/parallel.h"

namespace prune2to4::cpu {
namespace {

thread_local Scratch tile_memory;
thread_local Scratch sums_memory;
thread_local Scratch grid_memory;  // of the thread that shares out the work

class TiledProduct {
 public:
  TiledProduct(const TiledKernel& kernel, const TiledWeight& weight, const void* x, int64_t tokens,
               const Output& output)
      : kernel_(kernel),
        weight_(weight),
        x_(x),
        tokens_(tokens),
        output_(output),
        threads_(threads_for(tokens * weight.rows * weight.groups * 2)) {}

  // Where tiles with enough tokens occupy all threads, each thread has tiles of its own; else the rows are
  // shared out too.
  void run() {
    const auto most = static_cast<int64_t>(kernel_.vectors);
    const int64_t vectors = rounded_quotient(tokens_, kernel_.lanes);
    const int64_t even = vectors_of_tile(kernel_, tokens_, threads_);
    if (even >= static_cast<int64_t>(kernel_.enough) || threads_ == 1) {
      set_tiles(even);
      return run_tiles();
    }
    set_tiles(rounded_quotient(vectors, rounded_quotient(vectors, most)));
    run_grid();
  }

 private:
  void set_tiles(int64_t vectors) {
    tile_tokens_ = vectors * kernel_.lanes;
    tiles_ = rounded_quotient(tokens_, tile_tokens_);
    tile_floats_ =
        weight_.groups * kernel_.group_values * kernel_.lanes * static_cast<int64_t>(kernel_.vectors);
    sums_floats_ = kTiledRows * kernel_.lanes * static_cast<int64_t>(kernel_.vectors);
  }

  int64_t element_size() const { return output_.element == Element::kFloat ? 4 : 2; }
  int64_t tokens_of(int64_t tile) const { return std::min(tile_tokens_, tokens_ - tile * tile_tokens_); }

  void pack(int64_t tile, int64_t first, int64_t last, float* to) const {
    const int64_t row = tile * tile_tokens_ * weight_.groups * 4;
    kernel_.pack(static_cast<const char*>(x_) + row * element_size(), output_.element, tokens_of(tile),
                 weight_.groups, first, last, to);
  }

  void multiply(int64_t tile, const float* inputs, int64_t first, int64_t last, float* sums) const {
    Output output = output_;
    const int64_t offset = tile * tile_tokens_ * weight_.rows * element_size();
    output.out = static_cast<char*>(output.out) + offset;
    if (output.residual != nullptr) output.residual = static_cast<const char*>(output.residual) + offset;
    kernel_.multiply(weight_, inputs, tokens_of(tile), first, last, output, sums);
  }

  void run_tiles() const {
    in_parallel(tiles_, threads_, [&](int64_t begin, int64_t end) {
      float* tile = tile_memory.floats(tile_floats_);
      float* sums = sums_memory.floats(sums_floats_);
      for (int64_t i = begin; i < end; ++i) {
        pack(i, 0, weight_.groups, tile);
        multiply(i, tile, 0, weight_.rows, sums);
      }
    });
  }

  void run_grid() const {
    float* all = grid_memory.floats(tiles_ * tile_floats_);
    const int64_t blocks = rounded_quotient(weight_.groups, kernel_.groups);
    in_parallel(tiles_ * blocks, threads_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i % blocks * kernel_.groups;
        pack(i / blocks, first, std::min(first + kernel_.groups, weight_.groups),
             all + i / blocks * tile_floats_);
      }
    });
    const int64_t rows = rows_of_part();
    const int64_t parts = rounded_quotient(weight_.rows, rows);
    in_parallel(tiles_ * parts, threads_, [&](int64_t begin, int64_t end) {
      float* sums = sums_memory.floats(sums_floats_);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i % parts * rows;
        multiply(i / parts, all + i / parts * tile_floats_, first, std::min(first + rows, weight_.rows),
                 sums);
      }
    });
  }

  // That leave the last thread waiting the least.
  int64_t rows_of_part() const {
    int64_t best = weight_.rows;
    int64_t least = tiles_ * weight_.rows;
    for (int64_t parts = 1; parts <= threads_; ++parts) {
      const int64_t rows =
          std::max<int64_t>(rounded_quotient(weight_.rows, parts * kernel_.row_step), 1) * kernel_.row_step;
      const int64_t longest =
          rounded_quotient(tiles_ * rounded_quotient(weight_.rows, rows), threads_) * rows;
      if (longest >= least) continue;
      least = longest;
      best = rows;
    }
    return best;
  }

  const TiledKernel& kernel_;
  const TiledWeight& weight_;
  const void* x_;
  int64_t tokens_;
  const Output& output_;
  int64_t threads_;
  int64_t tile_tokens_ = 0;
  int64_t tiles_ = 0;
  int64_t tile_floats_ = 0;
  int64_t sums_floats_ = 0;
};

}  // namespace

void multiply_tiled(const TiledKernel& kernel, const TiledWeight& weight, const void* x, int64_t tokens,
                    const Output& output) {
  TiledProduct(kernel, weight, x, tokens, output).run();
}

void multiply_rows(const RowsKernel& kernel, const RowsWeight& weight, const float* x, int64_t tokens,
                   const Output& output) {
  const int64_t threads = threads_for(tokens * weight.rows * weight.groups * 2);
  in_parallel(rounded_quotient(weight.rows, kernel.lanes), threads,
              [&](int64_t first, int64_t last) { kernel.multiply(weight, x, tokens, first, last, output); });
}

}  // namespace prune2to4::cpu
