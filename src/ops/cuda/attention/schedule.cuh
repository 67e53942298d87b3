// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cute/config.hpp>

#include "ops/cuda/attention/attention.h"

namespace prune2to4::attention {

// Some rows of one head of one sequence.
struct Tile {
  int first;   // token of the sequence
  int length;  // of the sequence
  int query;   // first row, in the sequence
  int head;
};

// A block's share of the tiles: consecutive ones, about as much work as every other block's.
struct Share {
  long long work;  // of the sequences before the first one of the share
  long long end;   // work at which the share ends
  int sequence;    // the first one
  int offset;      // of the share's first tile in its sequence's
};

template <int kRows>
class Schedule {
 public:
  // All lanes of a warp together.
  CUTE_DEVICE static Share share(const Call& call, int block, int blocks) {
    const int lane = static_cast<int>(threadIdx.x) % kLanes;
    long long total = 0;
    for (int sequence = lane; sequence < call.sequences; sequence += kLanes) total += work_of(call, sequence);
    CUTE_UNROLL
    for (int i = 1; i < kLanes; i *= 2) total += __shfl_xor_sync(~0U, total, i);
    const long long each = (total + blocks - 1) / blocks;
    Share share{0, each * (block + 1), call.sequences, 0};
    find(call, each * block, lane, share);
    return share;
  }

  CUTE_DEVICE Schedule(const Call& call, const Share& share)
      : call_(call), end_(share.end), work_(share.work), offset_(share.offset) {
    take(share.sequence);
  }

  // Goes on to the n-th tile of the share; n only grows. False: there are not so many.
  CUTE_DEVICE bool go_to(int n, Tile& tile) {
    while (sequence_ < call_.sequences && n + offset_ >= tiles_ * call_.heads) {
      offset_ -= tiles_ * call_.heads;
      work_ += static_cast<long long>(tiles_) * call_.heads * cost_of(tiles_);
      take(sequence_ + 1);
    }
    const int index = n + offset_;
    if (sequence_ >= call_.sequences || work_ + static_cast<long long>(index) * cost_of(tiles_) >= end_) {
      return false;
    }
    tile.first = first_;
    tile.length = length_;
    tile.head = index / tiles_;
    tile.query = (index - tile.head * tiles_) * kRows;
    return true;
  }

 private:
  static constexpr int kLanes = 32;

  CUTE_DEVICE static int tiles_of(int length) { return (length + kRows - 1) / kRows; }
  // Of one tile, in steps over as many keys; its beginning and end count as one. A team's steps are over
  // other tiles, but it runs where all lengths are equal, and so are all costs.
  CUTE_DEVICE static int cost_of(int tiles) { return tiles + 1; }

  CUTE_DEVICE static long long work_of(const Call& call, int sequence) {
    const int tiles = tiles_of(call.boundaries[sequence + 1] - call.boundaries[sequence]);
    return static_cast<long long>(tiles) * call.heads * cost_of(tiles);
  }

  // The first tile at or behind `begin`.
  CUTE_DEVICE static void find(const Call& call, long long begin, int lane, Share& share) {
    for (int from = 0; from < call.sequences; from += kLanes) {
      const int tiles = from + lane < call.sequences
                            ? tiles_of(call.boundaries[from + lane + 1] - call.boundaries[from + lane])
                            : 0;
      const long long mine = static_cast<long long>(tiles) * call.heads * cost_of(tiles);
      long long sum = mine;
      CUTE_UNROLL
      for (int i = 1; i < kLanes; i *= 2) {
        const long long other = __shfl_up_sync(~0U, sum, i);
        if (lane >= i) sum += other;
      }
      const unsigned beyond = __ballot_sync(~0U, share.work + sum > begin);
      if (beyond != 0) {
        const int owner = __ffs(static_cast<int>(beyond)) - 1;
        const int cost = cost_of(__shfl_sync(~0U, tiles, owner));
        share.work += __shfl_sync(~0U, sum - mine, owner);
        share.sequence = from + owner;
        share.offset = static_cast<int>((begin - share.work + cost - 1) / cost);
        return;
      }
      share.work += __shfl_sync(~0U, sum, kLanes - 1);
    }
  }

  CUTE_DEVICE void take(int sequence) {
    sequence_ = sequence;
    if (sequence >= call_.sequences) return;
    first_ = call_.boundaries[sequence];
    length_ = call_.boundaries[sequence + 1] - first_;
    tiles_ = tiles_of(length_);
  }

  const Call& call_;
  long long end_;
  long long work_;  // of the sequences before this one
  int offset_;      // of the share's first tile in this sequence's
  int sequence_ = 0;
  int first_ = 0;
  int length_ = 0;
  int tiles_ = 0;
};

}  // namespace prune2to4::attention
