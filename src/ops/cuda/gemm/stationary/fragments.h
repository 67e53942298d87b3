// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <driver_types.h>

#include <cstddef>

// A 2:4 weight [out, in] as WGMMA takes it from registers (PTX ISA, "Register Fragments for
// wgmma.mma_async.sp.m64nNk32", A and its metadata): for each panel of kPanelRows rows the kept elements of
// each 32 inputs, 16 bytes a thread of a warpgroup, then the selectors of each 256 inputs, 16 bytes a thread.
namespace prune2to4::gemm {

constexpr int kPanelRows = 64;
constexpr int kFragmentThreads = 128;
constexpr int kFragmentInputs = 32;   // of one instruction
constexpr int kSelectorInputs = 256;  // of 16 bytes of a thread

// The weights that kernels take: kClusterPanels panels at a time, of so many inputs that a thread's part of
// their kept elements fits into registers.
constexpr int kClusterPanels = 4;
template <int kInputs>
constexpr bool takes(int out, int in) {
  return in == kInputs && out % (kClusterPanels * kPanelRows) == 0;
}
constexpr bool is_stationary(int out, int in) { return takes<768>(out, in) || takes<1024>(out, in); }
constexpr size_t fragment_bytes(int out, int in) {
  return static_cast<size_t>(out) * static_cast<size_t>(in) * 9 / 8;
}

// `weight` is dense, row-major, 16-bit, with at most two non-zeros in each group of four.
cudaError_t lay_out_fragments(const void* weight, int out, int in, void* fragments, cudaStream_t stream);

}  // namespace prune2to4::gemm
