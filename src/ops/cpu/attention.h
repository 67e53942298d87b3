// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/cpu/squares.h"
#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// 2^x for x <= 0, within 2 units in the last place; what is below the least normal number becomes that. The
// polynomial is the one of its degree nearest to 2^x from -1/2 to 1/2.
template <typename V>
inline typename V::Floats power_of_two(typename V::Floats x) {
  using Ints = typename VectorOf<int32_t, V::kLanes>::Type;
  const auto c = [](float value) { return V::all(value); };
  const auto held = V::greatest(c(-126), x);  // NaN stays NaN
  const auto shifted = held + c(12582912);    // 1.5 * 2^23: its low bits are the whole number nearest to x
  const auto fraction = held - (shifted - c(12582912));
  const auto power = horner<V>(fraction, 1.32764720e-3F, 9.67554133e-3F, 5.55071327e-2F, 0.240221197F,
                               0.693146967F, 1.00000007F);
  const Ints exponent = reinterpret_cast<Ints>(shifted) << 23;
  return reinterpret_cast<typename V::Floats>(reinterpret_cast<Ints>(power) + exponent);
}

// Attention whose vectors are queries: nothing is added up across one. Keys and values go by a block at a
// time, and the sums are of weights relative to the greatest score so far (FlashAttention; Dao et al., 2022).
template <typename V, size_t kVectors, size_t kRows>
struct Attention {
  using F = typename V::Floats;
  static constexpr int64_t kKeys = 64;  // of a block
  static constexpr int64_t kStride = static_cast<int64_t>(kVectors) * V::kLanes;

  // The parts of a call's memory.
  struct Memory {
    Memory(float* memory, int64_t width)
        : queries(memory), sums(queries + width * kStride), scores(sums + width * kStride) {}

    float* queries;  // [width][queries]
    float* sums;     // [width][queries]
    float* scores;   // [keys of the block][queries]; their weights, later
  };
  static int64_t floats(int64_t width, int64_t) { return (2 * width + kKeys) * kStride; }

  static const float* qkv(const Head& head) { return static_cast<const float*>(head.qkv); }

  // The first kUsed vectors of queries.
  template <size_t kUsed>
  struct Tile {
    // sums[row] += factors[row * row_step + j * step] * columns[j], j = 0 ... count - 1.
    template <size_t kCount>
    static void add_products(const float* factors, int64_t row_step, int64_t step, const float* columns,
                             int64_t count, F (&sums)[kCount][kUsed]) {
      for (int64_t j = 0; j < count; ++j, factors += step, columns += kStride) {
        F column[kUsed];
#pragma GCC unroll 8
        for (size_t i = 0; i < kUsed; ++i) column[i] = V::load(columns + i * V::kLanes);
#pragma GCC unroll 8
        for (size_t row = 0; row < kCount; ++row) {
          const F factor = V::all(factors[static_cast<int64_t>(row) * row_step]);
#pragma GCC unroll 8
          for (size_t i = 0; i < kUsed; ++i) sums[row][i] = V::fma(factor, column[i], sums[row][i]);
        }
      }
    }

    // Of keys `key` ... count - 1; `greatest` is each query's greatest score so far.
    template <size_t kCount>
    static void score(const Memory& memory, const Head& head, const float* keys, int64_t key, int64_t count,
                      F (&greatest)[kUsed]) {
      constexpr auto kStep = static_cast<int64_t>(kCount);
      for (; key + kStep <= count; key += kStep) {
        F sums[kCount][kUsed] = {};
        add_products(keys + key * 3 * head.step, 3 * head.step, 1, memory.queries, head.width, sums);
        float* to = memory.scores + key * kStride;
#pragma GCC unroll 8
        for (size_t row = 0; row < kCount; ++row, to += kStride) {
#pragma GCC unroll 8
          for (size_t i = 0; i < kUsed; ++i) {
            greatest[i] = V::greatest(greatest[i], sums[row][i]);
            V::store(to + i * V::kLanes, sums[row][i]);
          }
        }
      }
      if constexpr (kCount > 1) score<kCount / 2>(memory, head, keys, key, count, greatest);
    }

    // Leaves weights in the scores' place, and adds them to `all`.
    static void weigh(float* scores, int64_t count, const F (&greatest)[kUsed], F (&all)[kUsed]) {
      for (int64_t key = 0; key < count; ++key, scores += kStride) {
#pragma GCC unroll 8
        for (size_t i = 0; i < kUsed; ++i) {
          const F weight = power_of_two<V>(V::load(scores + i * V::kLanes) - greatest[i]);
          all[i] += weight;
          V::store(scores + i * V::kLanes, weight);
        }
      }
    }

    // To the sums so far, which shrink.
    static void add_values(const Memory& memory, const Head& head, const float* values, int64_t count,
                           const F (&shrink)[kUsed]) {
      for (int64_t column = 0; column < head.width; column += static_cast<int64_t>(kRows)) {
        F sums[kRows][kUsed];
        float* to = memory.sums + column * kStride;
#pragma GCC unroll 8
        for (size_t row = 0; row < kRows; ++row) {
          const float* from = to + static_cast<int64_t>(row) * kStride;
#pragma GCC unroll 8
          for (size_t i = 0; i < kUsed; ++i) sums[row][i] = V::load(from + i * V::kLanes) * shrink[i];
        }
        add_products(values + column, 1, 3 * head.step, memory.scores, count, sums);
#pragma GCC unroll 8
        for (size_t row = 0; row < kRows; ++row, to += kStride) {
#pragma GCC unroll 8
          for (size_t i = 0; i < kUsed; ++i) V::store(to + i * V::kLanes, sums[row][i]);
        }
      }
    }

    static void scale(float* rows, int64_t count, const F (&by)[kUsed]) {
      for (int64_t row = 0; row < count; ++row, rows += kStride) {
#pragma GCC unroll 8
        for (size_t i = 0; i < kUsed; ++i) {
          V::store(rows + i * V::kLanes, V::load(rows + i * V::kLanes) * by[i]);
        }
      }
    }

    static void begin(const Memory& memory, const Head& head, int64_t first, int64_t last) {
      read_columns<V>(qkv(head) + first * 3 * head.step, Element::kFloat, last - first, 3 * head.step, 0,
                      head.width, kStride, memory.queries);
      F scales[kUsed];
      for (F& each : scales) each = V::all(head.scale * 1.44269504F);  // log2(e): for powers of two
      scale(memory.queries, head.width, scales);
      for (int64_t i = 0; i < head.width * kStride; i += V::kLanes) V::store(memory.sums + i, V::all(0));
    }

    static void run(const Memory& memory, const Head& head, int64_t first, int64_t last) {
      begin(memory, head, first, last);
      F greatest[kUsed];
      F all[kUsed] = {};
      for (F& each : greatest) each = V::all(-3.4028235e38F);
      for (int64_t key = 0; key < head.tokens; key += kKeys) {
        const int64_t count = head.tokens - key < kKeys ? head.tokens - key : kKeys;
        const float* keys = qkv(head) + (3 * key + 1) * head.step;
        F shrink[kUsed];
        for (size_t i = 0; i < kUsed; ++i) shrink[i] = greatest[i];
        score<kRows>(memory, head, keys, 0, count, greatest);
        for (size_t i = 0; i < kUsed; ++i) {
          shrink[i] = power_of_two<V>(shrink[i] - greatest[i]);
          all[i] *= shrink[i];
        }
        weigh(memory.scores, count, greatest, all);
        add_values(memory, head, keys + head.step, count, shrink);
      }
      for (F& each : all) each = V::all(1) / each;
      scale(memory.sums, head.width, all);
      Output output;
      output.out = static_cast<float*>(head.out) + first * head.step;
      write_sums<V>(memory.sums, kStride, last - first, head.width, 0, head.step, output);
    }
  };

  static void attend(const Head& head, int64_t first, int64_t last, float* memory) {
    with_used<V, kVectors>(last - first, [&](auto used) {
      Tile<used.kValue>::run(Memory(memory, head.width), head, first, last);
    });
  }

  static constexpr AttentionKernel kKernel{V::kLanes, kVectors, kRows, &floats, &attend};
};

}  // namespace
}  // namespace prune2to4::cpu
