// SPDX-License-Identifier: Apache-2.0
#include "sparse/group_mask.h"

#include <cstring>
#include <type_traits>

#include "sparse/float_bits.h"

namespace prune2to4 {
namespace {

// 16 bytes of elements: SSE2 and NEON registers, through the vector extension of GCC and Clang.
template <class Lane>
struct Vector {
  typedef Lane Type __attribute__((vector_size(16)));
  static constexpr size_t kLanes = 16 / sizeof(Lane);
};

// Each lane receives the lane `r` places further on within its group of four, cyclically.
template <int r, class V>
V rotated(V v) {
  constexpr int a = r % 4, b = (r + 1) % 4, c = (r + 2) % 4, d = (r + 3) % 4;
  if constexpr (sizeof(v[0]) == 4) {
    return __builtin_shufflevector(v, v, a, b, c, d);
  } else {
    return __builtin_shufflevector(v, v, a, b, c, d, a + 4, b + 4, c + 4, d + 4);
  }
}

// -1 where the element `r` places further on ranks below this one: it is smaller, or equal and its index,
// (i + r) % 4, is lower than i.
template <int r, class V>
V below(V magnitude) {
  V bias{};
  for (size_t i = 0; i < sizeof(V) / sizeof(magnitude[0]); ++i) bias[i] = i % 4 >= 4 - r;
  return rotated<r>(magnitude) < magnitude + bias;
}

// The mask of one vector's elements. Magnitudes leave the sign bit free, so signed lanes compare them
// rightly.
template <class Float>
void mask_vector(const typename Float::Bits* weight, int zeros, uint8_t* mask) {
  using Lane = std::make_signed_t<typename Float::Bits>;
  using V = typename Vector<Lane>::Type;
  constexpr Lane kMagnitude = static_cast<Lane>(Float::kMagnitude);
  constexpr Lane kNan = static_cast<Lane>(Float::kInfinity + 1);

  V magnitude;
  std::memcpy(&magnitude, weight, sizeof(V));
  magnitude &= kMagnitude;
  magnitude = magnitude > kNan - V{} ? kNan - V{} : magnitude;
  const V minus_rank = below<1>(magnitude) + below<2>(magnitude) + below<3>(magnitude);
  const V keep = minus_rank <= static_cast<Lane>(-zeros) - V{};

  typedef uint8_t Bytes __attribute__((vector_size(16 / sizeof(Lane))));
  const Bytes bytes = __builtin_convertvector(keep, Bytes) & uint8_t{1};
  std::memcpy(mask, &bytes, sizeof(Bytes));
}

}  // namespace

template <class Float>
void mask_groups_of_four(const typename Float::Bits* weight, size_t size, int zeros, uint8_t* mask) {
  using Bits = typename Float::Bits;
  constexpr size_t kLanes = 16 / sizeof(Bits);
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) mask_vector<Float>(weight + i, zeros, mask + i);
  if (i < size) {  // one group of 16-bit elements
    Bits padded[kLanes] = {};
    uint8_t padded_mask[kLanes];
    std::memcpy(padded, weight + i, (size - i) * sizeof(Bits));
    mask_vector<Float>(padded, zeros, padded_mask);
    std::memcpy(mask + i, padded_mask, size - i);
  }
}

template void mask_groups_of_four<Float32>(const uint32_t*, size_t, int, uint8_t*);
template void mask_groups_of_four<Float16>(const uint16_t*, size_t, int, uint8_t*);
template void mask_groups_of_four<BFloat16>(const uint16_t*, size_t, int, uint8_t*);

}  // namespace prune2to4
