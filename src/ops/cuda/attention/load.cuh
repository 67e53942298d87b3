// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ops/cuda/attention/config.cuh"

namespace prune2to4::attention {

// One warp: gives a team its tasks and fills its ring.
template <typename C>
class Loader {
 public:
  CUTE_DEVICE Loader(typename C::Shared& shared, int team, const CUtensorMap& map, const Call& call)
      : memory_(shared.memory[team]),
        barriers_(shared.barriers[team]),
        shared_(shared),
        map_(map),
        call_(call),
        leader_(threadIdx.x % kWarp == 0) {}

  CUTE_DEVICE void run() {
    Schedule<C::kQueries> schedule(call_, shared_.share);
    Tile tile;
    bool more = schedule.go_to(next(), tile);
    cudaGridDependencySynchronize();
    cudaTriggerProgrammaticLaunchCompletion();
    while (more) {
      give(tile);
      load_all(tile);
      more = schedule.go_to(next(), tile);
    }
    Barrier::wait(&barriers_.queries_used[buffer_.slot], buffer_.phase ^ 1);
    if (leader_) {
      barriers_.tasks[buffer_.slot].keys = 0;
      Barrier::arrive(&barriers_.queries_here[buffer_.slot]);
    }
  }

 private:
  CUTE_DEVICE int next() {
    int n = 0;
    if (leader_) n = atomicAdd(&shared_.taken, 1);
    return __shfl_sync(~0U, n, 0);
  }

  CUTE_DEVICE void give(const Tile& tile) {
    Barrier::wait(&barriers_.queries_used[buffer_.slot], buffer_.phase ^ 1);
    if (leader_) {
      const int row = tile.first + tile.query;
      const int rows = tile.length - tile.query;
      barriers_.tasks[buffer_.slot] = {tile.length, rows,
                                       (int64_t{row} * call_.heads + tile.head) * C::kWidth};
      copy<C::kQueries>(memory_.queries[buffer_.slot], barriers_.queries_here[buffer_.slot],
                        tile.head * C::kWidth, row, rows);
    }
    __syncwarp();
    buffer_.advance();
  }

  // In the order of their use: keys 0, keys 1, values 0, keys 2, values 1, ... The last keys of the sequence
  // come first, since only they need a mask.
  CUTE_DEVICE void load_all(const Tile& tile) {
    const int last = (tile.length - 1) / C::kKeys;
    const int key = (call_.heads + tile.head) * C::kWidth;
    const int value = key + call_.heads * C::kWidth;
    int row = tile.first + last * C::kKeys;
    int rows = tile.length - last * C::kKeys;
    load(key, row, rows);
    CUTE_NO_UNROLL
    for (int step = 0; step < last; ++step) {
      load(key, row - C::kKeys, C::kKeys);
      load(value, row, rows);
      row -= C::kKeys;
      rows = C::kKeys;
    }
    load(value, row, rows);
  }

  CUTE_DEVICE void load(int column, int row, int rows) {
    Barrier::wait(&barriers_.used[ring_.slot], ring_.phase ^ 1);
    if (leader_) copy<C::kKeys>(memory_.slots[ring_.slot], barriers_.here[ring_.slot], column, row, rows);
    __syncwarp();
    ring_.advance();
  }

  // kCount rows, in tiles, of which `rows` are wanted. The map's second coordinate ends behind these: the
  // engine writes zeros for the rest of a tile. It takes no tile that is nothing but zeros: there it brings
  // the first row once more, of which no use is made.
  template <int kCount>
  CUTE_DEVICE void copy(typename C::Element* to, uint64_t& here, int column, int row, int rows) const {
    constexpr uint64_t kNormalEviction = 0x1000000000000000;
    Barrier::arrive_and_expect_tx(&here, kCount * C::kWidth * sizeof(typename C::Element));
    CUTE_UNROLL
    for (int first = 0; first < kCount; first += kRows) {
      const bool wanted = first < rows;
      const int end = wanted ? min(rows, first + kRows) : 1;
      const int count = wanted ? end - first : 1;
      cute::SM90_TMA_LOAD_3D::copy(&map_, &here, kNormalEviction, to + first * C::kWidth, column,
                                   kRows - count, row + end);
    }
  }

  typename C::Memory& memory_;
  typename C::Barriers& barriers_;
  typename C::Shared& shared_;
  const CUtensorMap& map_;
  const Call& call_;
  bool leader_;
  Cursor<kBuffers> buffer_;
  Cursor<C::kSlots> ring_;
};

}  // namespace prune2to4::attention
