// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/product.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "ops/cpu/parallel.h"

namespace prune2to4::cpu {
namespace {

thread_local Scratch tile_memory;
thread_local Scratch sums_memory;

// How a product is shared out: each part is a tile's tokens by some rows.
struct Grid {
  int64_t vectors;  // of a tile
  int64_t tiles;
  int64_t rows;   // of a part
  int64_t parts;  // of a tile
};

constexpr int64_t kPieces = 8;  // of a part, for threads that are done to take
// Of `out`, in bytes. On Sapphire Rapids, 12,288 tokens, by AMX: 19 MB and more are written 1.25 times as
// fast past the caches, 9 MB as fast.
constexpr int64_t kLargeOutput = 16 << 20;

// Of what the busiest thread does, in tenths of a product of a row's group and a vector of tokens. A row
// takes a little besides its products, and no less than for `enough` vectors, since its weights must come; to
// pack a group's inputs takes as long as 27 rows. As measured by 2 and 16 threads, 64 to 1,536 tokens,
// 384x384 to 3072x768.
int64_t cost(const TiledKernel& kernel, const Grid& grid, int64_t threads) {
  constexpr int64_t kRow = 6;
  constexpr int64_t kPack = 270;
  const int64_t rounds = rounded_quotient(grid.tiles * grid.parts, threads);
  const int64_t of_row = 10 * std::max(grid.vectors, static_cast<int64_t>(kernel.enough)) + kRow;
  return rounds * grid.rows * of_row + rounded_quotient(rounds, grid.parts) * kPack * grid.vectors;
}

int64_t most_vectors(const TiledKernel& kernel, int64_t groups) {
  const auto vectors = static_cast<int64_t>(kernel.vectors);
  if (kernel.tile_floats == 0) return vectors;
  return std::clamp<int64_t>(kernel.tile_floats / (groups * kernel.group_values * kernel.lanes), 1, vectors);
}

Grid best_grid(const TiledKernel& kernel, const TiledWeight& weight, int64_t tokens, int64_t threads) {
  const int64_t all = rounded_quotient(tokens, kernel.lanes);
  Grid best{};
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t vectors = std::min(all, most_vectors(kernel, weight.groups)); vectors > 0; --vectors) {
    Grid grid{vectors, rounded_quotient(all, vectors), 0, 0};
    const int64_t parts = std::max<int64_t>(threads / grid.tiles, 1);
    grid.rows = rounded_quotient(weight.rows, parts * kernel.row_step) * kernel.row_step;
    grid.parts = rounded_quotient(weight.rows, grid.rows);
    const int64_t found = cost(kernel, grid, threads);
    if (found >= least) continue;
    least = found;
    best = grid;
  }
  return best;
}

class TiledProduct {
 public:
  TiledProduct(const TiledKernel& kernel, const TiledWeight& weight, const void* x, int64_t tokens,
               const Output& output)
      : kernel_(kernel),
        weight_(weight),
        x_(x),
        tokens_(tokens),
        output_(output),
        threads_(threads_for(tokens * weight.rows * weight.groups * 2)),
        grid_(best_grid(kernel, weight, tokens, threads_)),
        unpacked_(kernel.multiply_unpacked != nullptr && weight.groups > kernel.cached_groups &&
                  (threads_ == 1 || grid_.parts > 1)),
        pieces_(threads_ == 1 || unpacked_ ? 1 : kPieces) {}

  // Each thread packs the tiles that it takes part in: what another has packed would come from its caches,
  // and must leave them again when the next product is packed, which takes far longer. A wide tile goes by
  // block by block, where that is all that the thread does with it.
  void run() const {
    const int64_t stride = kernel_.lanes * static_cast<int64_t>(kernel_.vectors);
    const int64_t groups = unpacked_ ? kernel_.groups : weight_.groups;
    const int64_t packed_floats =
        rounded_quotient(groups, kernel_.group_step) * kernel_.group_step * kernel_.group_values * stride;
    in_shared_runs(grid_.tiles * grid_.parts * pieces_, threads_, [&](auto&& next) {
      float* inputs = tile_memory.floats(packed_floats);
      float* sums = sums_memory.floats(kTiledRows * stride);
      int64_t packed = -1;
      for (int64_t i = next(); i >= 0; i = next()) {
        const Rows rows = rows_of(i);
        if (rows.first >= rows.last) continue;
        const int64_t tile = i / (grid_.parts * pieces_);
        if (tile != packed && !unpacked_) pack(tile, inputs);
        packed = tile;
        multiply(tile, inputs, rows, sums);
      }
    });
  }

 private:
  struct Rows {
    int64_t first;
    int64_t last;
  };

  int64_t element_size() const { return output_.element == Element::kFloat ? 4 : 2; }
  int64_t first_token(int64_t tile) const { return tile * grid_.vectors * kernel_.lanes; }
  int64_t tokens_of(int64_t tile) const {
    return std::min(grid_.vectors * kernel_.lanes, tokens_ - first_token(tile));
  }

  // None for some, where a part has fewer steps of rows than pieces.
  Rows rows_of(int64_t piece) const {
    const int64_t part = piece / pieces_ % grid_.parts * grid_.rows;
    const int64_t rows = rounded_quotient(grid_.rows, pieces_ * kernel_.row_step) * kernel_.row_step;
    const int64_t first = part + piece % pieces_ * rows;
    return {first, std::min({first + rows, part + grid_.rows, weight_.rows})};
  }

  int64_t token_bytes() const { return weight_.groups * 4 * element_size(); }
  const char* inputs_of(int64_t tile) const {
    return static_cast<const char*>(x_) + first_token(tile) * token_bytes();
  }

  void pack(int64_t tile, float* to) const {
    kernel_.pack(inputs_of(tile), output_.element, tokens_of(tile), weight_.groups, to);
  }

  void multiply(int64_t tile, float* inputs, const Rows& rows, float* sums) const {
    Output output = output_;
    output.large = tokens_ * weight_.rows * element_size() > kLargeOutput;
    const int64_t offset = first_token(tile) * weight_.rows * element_size();
    output.out = static_cast<char*>(output.out) + offset;
    if (output.residual != nullptr) output.residual = static_cast<const char*>(output.residual) + offset;
    if (threads_ == 1 && tile + 1 < grid_.tiles) {
      output.next = inputs_of(tile + 1);
      output.next_bytes = tokens_of(tile + 1) * token_bytes();
    }
    if (unpacked_) {
      return kernel_.multiply_unpacked(weight_, inputs_of(tile), tokens_of(tile), rows.first, rows.last,
                                       output, inputs, sums);
    }
    kernel_.multiply(weight_, inputs, tokens_of(tile), rows.first, rows.last, output, sums);
  }

  const TiledKernel& kernel_;
  const TiledWeight& weight_;
  const void* x_;
  int64_t tokens_;
  const Output& output_;
  int64_t threads_;
  Grid grid_;
  bool unpacked_;
  int64_t pieces_;  // of a part
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
