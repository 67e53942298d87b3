// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ops/cpu/amx_registers.h"
#include "ops/cpu/squares.h"
#include "ops/cpu/vectors.h"

namespace prune2to4::cpu {
namespace {

// Attention in bf16 by AMX, 32 queries at once with all keys: scores and sums are fp32, weights bf16.
template <typename V>
struct AmxAttention {
  using F = typename V::Floats;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr size_t kVectors = 8;
  static constexpr int64_t kBoth = 2 * kLanes;  // rows of two registers
  static_assert(kLanes == 16);

  // The parts of a call's memory. Rows of a register hold 32 features, or pairs: of 16 keys or features.
  struct Memory {
    Memory(float* memory, int64_t width_, int64_t tokens_)
        : width(rounded(width_, kAmxFeatures)),
          tokens(rounded(tokens_, kBoth)),
          stride(tokens + kLanes),  // lest a column's lines all go to a few sets of the cache
          scores(memory),
          keys(reinterpret_cast<uint16_t*>(scores + kBoth * stride)),
          values(keys + tokens * width),
          queries(values + tokens * width) {}
    static int64_t floats(int64_t width, int64_t tokens) {
      const Memory all(nullptr, width, tokens);
      return kBoth * all.stride + (2 * all.tokens + kBoth) * all.width / 2;
    }

    int64_t width;
    int64_t tokens;
    int64_t stride;
    float* scores;      // [32][stride]; a row's weights, as bf16, take its beginning
    uint16_t* keys;     // [tokens / 16][width / 32][16 pairs of features][16][2]
    uint16_t* values;   // [tokens / 32][width / 16][16 pairs of keys][16][2]
    uint16_t* queries;  // [2][width / 32][16][32]
  };

  static const uint16_t* row(const Head& head, int64_t token, int64_t part) {
    return static_cast<const uint16_t*>(head.qkv) + (3 * token + part) * head.step;
  }

  // Of a token that may be none, 32 features from `feature` on.
  static __m512i read(const Head& head, int64_t token, int64_t last, int64_t part, int64_t feature) {
    const bool there = token < last;
    return _mm512_maskz_loadu_epi16(there ? first_lanes(head.width - feature) : 0,
                                    there ? row(head, token, part) + feature : row(head, 0, part));
  }

  static void pack_keys(const Head& head, const Memory& memory) {
    std::memset(memory.keys, 0, static_cast<size_t>(memory.tokens * memory.width) * sizeof(uint16_t));
    for (int64_t key = 0; key < head.tokens; key += kLanes) {
      const auto* from = reinterpret_cast<const float*>(row(head, key, 1));  // pairs
      for (int64_t feature = 0; feature < head.width; feature += kAmxFeatures) {
        read_columns<V>(from, Element::kFloat, lesser(head.tokens - key, kLanes), 3 * head.step / 2,
                        feature / 2, lesser(head.width, feature + kAmxFeatures) / 2, kLanes,
                        reinterpret_cast<float*>(memory.keys + key * memory.width + feature * kLanes));
      }
    }
  }

  static void pack_values(const Head& head, const Memory& memory) {
    const auto pair = [](__m256i first, __m256i second) {
      return _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                             _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
    };
    for (int64_t key = 0; key < memory.tokens; key += 2) {
      for (int64_t feature = 0; feature < memory.width; feature += kAmxFeatures) {
        const __m512i first = read(head, key, head.tokens, 2, feature);
        const __m512i second = read(head, key + 1, head.tokens, 2, feature);
        uint16_t* to =
            memory.values + key / kBoth * kBoth * memory.width + feature * kBoth + key % kBoth * kLanes;
        _mm512_storeu_si512(to, pair(_mm512_castsi512_si256(first), _mm512_castsi512_si256(second)));
        _mm512_storeu_si512(to + kAmxRegister,
                            pair(_mm512_extracti64x4_epi64(first, 1), _mm512_extracti64x4_epi64(second, 1)));
      }
    }
  }

  static void pack_queries(const Head& head, int64_t first, int64_t last, const Memory& memory) {
    for (int64_t i = 0; i < kBoth; ++i) {
      uint16_t* to = memory.queries + i / kLanes * kLanes * memory.width + i % kLanes * kAmxFeatures;
      for (int64_t feature = 0; feature < memory.width; feature += kAmxFeatures, to += kAmxRegister) {
        _mm512_storeu_si512(to, read(head, first + i, last, 0, feature));
      }
    }
  }

  static void score(const Memory& memory) {
    const int64_t half = kLanes * memory.width;  // of the queries, or a register's keys
    for (int64_t key = 0; key < memory.tokens; key += kBoth) {
      const uint16_t* keys = memory.keys + key * memory.width;
      begin_sums();
      for (int64_t i = 0; i < half; i += kAmxRegister) {
        add_products(memory.queries + i, memory.queries + half + i, 64, keys + i, keys + half + i);
      }
      float* to = memory.scores + key;
      store_sums(to, to + kLanes, to + kLanes * memory.stride, to + kLanes * memory.stride + kLanes,
                 memory.stride * static_cast<int64_t>(sizeof(float)));
    }
  }

  // 2^x for x <= 0, within 3e-6 of it. The polynomial is the one of its degree nearest to 2^x from 0 to 1.
  static F power_of_two(F x) {
    constexpr int kFromFloor = 0x09;
    const F fraction = _mm512_maskz_reduce_ps(0xffff, x, kFromFloor);
    const F power =
        horner<V>(fraction, 1.35341722e-2F, 5.20114645e-2F, 0.241442745F, 0.693003840F, 1.00000259F);
    return _mm512_maskz_scalef_ps(0xffff, power, x);
  }

  // Scores become weights, zero behind the last one; returns what to multiply their sums by.
  static float weigh(float* scores, const Head& head, int64_t stored) {
    F most = V::all(-3.4028235e38F);
    int64_t i = 0;
    for (; i + kLanes <= head.tokens; i += kLanes) most = V::greatest(most, V::load(scores + i));
    if (i < head.tokens) {
      most = _mm512_mask_max_ps(most, static_cast<__mmask16>(first_lanes(head.tokens - i)), most,
                                V::load(scores + i));
    }
    const F greatest = V::all(_mm512_reduce_max_ps(most));
    const F scale = V::all(head.scale * 1.44269504F);  // log2(e)
    F low{};
    F high{};
    const auto weight = [&](int64_t at) { return power_of_two((V::load(scores + at) - greatest) * scale); };
    const auto put = [&](int64_t at, F first, F second) {
      low += first;
      high += second;
      _mm512_storeu_si512(reinterpret_cast<uint16_t*>(scores) + at, round_to_bfloat16(first, second));
    };
    for (i = 0; i + kBoth <= head.tokens; i += kBoth) put(i, weight(i), weight(i + kLanes));
    for (; i < stored; i += kBoth) {
      const __mmask32 there = first_lanes(head.tokens - i);
      put(i, _mm512_maskz_mov_ps(static_cast<__mmask16>(there), weight(i)),
          _mm512_maskz_mov_ps(static_cast<__mmask16>(there >> kLanes), weight(i + kLanes)));
    }
    return 1 / _mm512_reduce_add_ps(low + high);
  }

  static void add_values(const Head& head, int64_t first, int64_t last, const float* factors,
                         const Memory& memory) {
    const auto* weights = reinterpret_cast<const uint16_t*>(memory.scores);
    const int64_t stride = memory.stride * static_cast<int64_t>(sizeof(float));
    alignas(64) Sums sums;
    for (int64_t feature = 0; feature < head.width; feature += kAmxFeatures) {
      begin_sums();
      for (int64_t key = 0; key < memory.tokens; key += kBoth) {
        const uint16_t* values = memory.values + key * memory.width + feature * kBoth;
        add_products(weights + key, weights + 2 * kLanes * memory.stride + key, stride, values,
                     values + kAmxRegister);
      }
      store_sums(sums);
      for (int64_t i = 0; i < last - first; ++i) {
        const F factor = V::all(factors[i]);
        _mm512_mask_storeu_epi16(
            static_cast<uint16_t*>(head.out) + (first + i) * head.step + feature,
            first_lanes(head.width - feature),
            round_to_bfloat16(V::load(sums[0][i]) * factor, V::load(sums[1][i]) * factor));
      }
    }
  }

  static void attend(const Head& head, int64_t first, int64_t last, float* memory) {
    const AmxConfig config;
    _tile_loadconfig(&config);
    const Memory parts(memory, head.width, head.tokens);
    pack_keys(head, parts);
    pack_values(head, parts);
    for (; first < last; first += kBoth) {
      const int64_t end = lesser(first + kBoth, last);
      pack_queries(head, first, end, parts);
      score(parts);
      float factors[size_t{kBoth}];
      for (int64_t i = 0; i < end - first; ++i) {
        factors[i] = weigh(parts.scores + i * parts.stride, head, parts.tokens);
      }
      add_values(head, first, end, factors, parts);
    }
    _tile_release();
  }

  static constexpr AttentionKernel kKernel{kLanes, kVectors, 2, &Memory::floats, &attend};
};

}  // namespace
}  // namespace prune2to4::cpu
