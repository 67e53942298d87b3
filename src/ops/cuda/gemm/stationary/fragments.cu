// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/gemm/stationary/fragments.h"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace prune2to4::gemm {
namespace {

constexpr int kGroup = 4;  // elements, two of them kept
constexpr int kInstructionGroups = kFragmentInputs / kGroup;
constexpr int kInstructions = kSelectorInputs / kFragmentInputs;
constexpr int kSelectorGroups = 4;  // of a row, in a selector's half

struct Kept {
  uint32_t pair;      // the two elements, the first one low
  uint32_t selector;  // their places in the group, two bits each, ascending
};

__device__ Kept kept_of(const ushort4& group) {
  const uint32_t elements[kGroup] = {group.x, group.y, group.z, group.w};
  uint32_t mask = 0;
  for (int i = 0; i < kGroup; ++i) mask |= (elements[i] & 0x7FFFU) != 0 ? 1U << i : 0U;  // -0 is a zero
  for (uint32_t i = 0; __popc(static_cast<int>(mask)) < 2; ++i) mask |= 1U << i;
  const int first = __ffs(static_cast<int>(mask)) - 1;
  const int second = 31 - __clz(static_cast<int>(mask));
  return {elements[first] | elements[second] << 16, static_cast<uint32_t>(first | second << 2)};
}

// A block for a panel and kSelectorInputs inputs. By the layout of registers a thread has the rows `row` and
// `row` + 8; lanes 0 and 1 of four have the selectors of even instructions, 2 and 3 those of odd ones, for 16
// inputs each.
__global__ void __launch_bounds__(kFragmentThreads)
    lay_out(const ushort4* weight, int in, uint4* values, uint4* selectors) {
  const int thread = static_cast<int>(threadIdx.x);
  const int quad = thread % 4;
  const int64_t row = int64_t{blockIdx.x} * kPanelRows + thread / 32 * 16 + thread % 32 / 4;
  const int first = static_cast<int>(blockIdx.y) * (kSelectorInputs / kGroup);
  const auto kept = [&](int half, int group) {
    return kept_of(weight[(row + 8 * half) * (in / kGroup) + first + group]);
  };
  const int64_t block = int64_t{blockIdx.x} * gridDim.y + blockIdx.y;
  for (int instruction = 0; instruction < kInstructions; ++instruction) {
    const int group = instruction * kInstructionGroups + quad;
    values[(block * kInstructions + instruction) * kFragmentThreads + thread] =
        uint4{kept(0, group).pair, kept(1, group).pair, kept(0, group + 4).pair, kept(1, group + 4).pair};
  }
  uint32_t found[kInstructions / 2];
  for (int pair = 0; pair < kInstructions / 2; ++pair) {
    const int group = (2 * pair + quad / 2) * kInstructionGroups + quad % 2 * kSelectorGroups;
    found[pair] = 0;
    for (int i = 0; i < 2 * kSelectorGroups; ++i) {
      found[pair] |= kept(i / kSelectorGroups, group + i % kSelectorGroups).selector << kGroup * i;
    }
  }
  selectors[block * kFragmentThreads + thread] = uint4{found[0], found[1], found[2], found[3]};
}

}  // namespace

cudaError_t lay_out_fragments(const void* weight, int out, int in, void* fragments, cudaStream_t stream) {
  const dim3 blocks(static_cast<unsigned>(out / kPanelRows), static_cast<unsigned>(in / kSelectorInputs));
  auto* const values = static_cast<uint4*>(fragments);
  const size_t count = static_cast<size_t>(blocks.x) * blocks.y * kInstructions * kFragmentThreads;
  lay_out<<<blocks, kFragmentThreads, 0, stream>>>(static_cast<const ushort4*>(weight), in, values,
                                                   values + count);
  return cudaGetLastError();
}

}  // namespace prune2to4::gemm
