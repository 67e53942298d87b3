// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cute/arch/mma_sm90_desc.hpp>
#include <cute/arch/mma_sm90_gmma_sparse.hpp>
#include <cute/arch/mma_sm90_gmma_sparse_ext.hpp>
#include <cute/tensor.hpp>

#include "ops/cuda/gemm/stationary/config.cuh"

namespace prune2to4::gemm::stationary {

namespace wgmma = cute::SM90::GMMA;

template <typename Element, int kTokens, wgmma::SparseSel kSelector>
struct Instruction;
#define PRUNE2TO4_INSTRUCTION(ELEMENT, NAME, TOKENS)               \
  template <wgmma::SparseSel kSelector>                            \
  struct Instruction<ELEMENT, TOKENS, kSelector>                   \
      : wgmma::SPARSE::GMMA_64x##TOKENS##x32_F32##NAME##NAME##_RS< \
            wgmma::Major::K, wgmma::Major::K, wgmma::ScaleIn::One, wgmma::ScaleIn::One, kSelector> {}
PRUNE2TO4_INSTRUCTION(cutlass::half_t, F16, 96);
PRUNE2TO4_INSTRUCTION(cutlass::half_t, F16, 128);
PRUNE2TO4_INSTRUCTION(cutlass::bfloat16_t, BF16, 96);
PRUNE2TO4_INSTRUCTION(cutlass::bfloat16_t, BF16, 128);
#undef PRUNE2TO4_INSTRUCTION

// A thread's part of a panel.
template <typename C>
struct Weight {
  uint32_t values[C::kInstructions][4];
  uint32_t selectors[C::kSelectors][4];  // each for two instructions

  CUTE_DEVICE void load(const void* fragments, int panels, int panel, int thread) {
    const auto* const all = static_cast<const uint4*>(fragments) + thread;
    const int64_t mine = int64_t{panel} * C::kInstructions;
    CUTE_UNROLL
    for (int i = 0; i < C::kInstructions; ++i) take(all + (mine + i) * kFragmentThreads, values[i]);
    const int64_t my_selectors = int64_t{panels} * C::kInstructions + int64_t{panel} * C::kSelectors;
    CUTE_UNROLL
    for (int i = 0; i < C::kSelectors; ++i) take(all + (my_selectors + i) * kFragmentThreads, selectors[i]);
  }

 private:
  CUTE_DEVICE static void take(const uint4* from, uint32_t (&to)[4]) {
    const uint4 found = __ldg(from);
    to[0] = found.x, to[1] = found.y, to[2] = found.z, to[3] = found.w;
  }
};

// Of rows of 128 bytes as the copy engine swizzles them.
CUTE_DEVICE uint64_t descriptor_of(const void* shared) {
  cute::GmmaDescriptor descriptor;
  descriptor.desc_ = 0;
  descriptor.bitfield.layout_type_ = static_cast<uint8_t>(wgmma::LayoutType::B128);
  descriptor.bitfield.start_address_ = static_cast<uint16_t>(cute::cast_smem_ptr_to_uint(shared) >> 4);
  descriptor.bitfield.leading_byte_offset_ = 1;  // not used
  descriptor.bitfield.stride_byte_offset_ = 8 * kRowBytes >> 4;
  return descriptor;
}

template <typename C, wgmma::SparseSel kSelector>
CUTE_DEVICE void issue_one(Weight<C>& weight, int instruction, uint64_t activations,
                           float (&product)[C::kTokens / 2]) {
  const auto add = instruction == 0 ? wgmma::ScaleOut::Zero : wgmma::ScaleOut::One;
  uint32_t& selector = weight.selectors[instruction / 8][instruction / 2 % 4];
  cute::detail::explode(Instruction<typename C::Element, C::kTokens, kSelector>::fma,
                        weight.values[instruction], cute::make_int_sequence<4>{}, &activations,
                        cute::seq<0>{}, product, cute::make_int_sequence<C::kTokens / 2>{}, &selector,
                        cute::seq<0>{}, &add, cute::seq<0>{});
}

// The products with a chunk, issued.
template <typename C>
CUTE_DEVICE void issue(Weight<C>& weight, int chunk, uint64_t activations, float (&product)[C::kTokens / 2]) {
  constexpr uint64_t kNext = kFragmentInputs * sizeof(typename C::Element) >> 4;
  CUTE_UNROLL
  for (int box = 0; box < C::kBoxes; ++box) {
    const int instruction = 2 * (chunk * C::kBoxes + box);
    const uint64_t first = activations + static_cast<uint64_t>(box * (C::kBoxBytes >> 4));
    issue_one<C, wgmma::SparseSel::Zero>(weight, instruction, first, product);
    issue_one<C, wgmma::SparseSel::One>(weight, instruction + 1, first + kNext, product);
  }
}

}  // namespace prune2to4::gemm::stationary
