// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "cuda/kernels/vector.cuh"

namespace prune2to4::kernels {

struct Seed {
  uint64_t seed;
  uint64_t offset;
};

__device__ inline Seed unpack(const RandomState& state) {
  if (state.seed_pointer == nullptr) return {state.seed, state.offset};
  return {static_cast<uint64_t>(*state.seed_pointer),
          static_cast<uint64_t>(*state.offset_pointer) + state.offset};
}

__device__ inline uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
__device__ inline uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

// Philox 4x32-10, counted as cuRAND does: four numbers from an offset (in numbers) of a subsequence.
__device__ inline uint4 philox(Seed seed, uint64_t subsequence) {
  const uint64_t count = seed.offset / 4;
  uint4 counter = make_uint4(low(count), high(count), low(subsequence), high(subsequence));
  uint2 key = make_uint2(low(seed.seed), high(seed.seed));
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53U} * counter.x;
    const uint64_t second = uint64_t{0xCD9E8D57U} * counter.z;
    counter = make_uint4(high(second) ^ counter.y ^ key.x, low(second), high(first) ^ counter.w ^ key.y,
                         low(first));
    key.x += 0x9E3779B9U;
    key.y += 0xBB67AE85U;
  }
  return counter;
}

// Drops and scales the eight elements of the `vector`-th vector of a matrix, by 16 random bits each.
__device__ inline void drop(float (&values)[kVectorWidth], const Dropout& dropout, Seed seed,
                            int64_t vector) {
  const uint4 random = philox(seed, static_cast<uint64_t>(vector));
  const uint32_t words[4] = {random.x, random.y, random.z, random.w};
#pragma unroll
  for (int i = 0; i < kVectorWidth; ++i) {
    const uint32_t number = i % 2 == 0 ? words[i / 2] & 0xFFFFU : words[i / 2] >> 16;
    values[i] = number < dropout.dropped ? 0.0F : values[i] * dropout.scale;
  }
}

}  // namespace prune2to4::kernels
