// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/attend.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/parallel.h"

namespace prune2to4::cpu {
namespace {

thread_local Scratch head_memory;

// Queries of a sequence, of all heads.
struct Queries {
  int64_t sequence;  // its first token
  int64_t tokens;    // of the sequence
  int64_t first;     // of its queries
  int64_t last;
};

// As even as can be.
void add_tiles(const AttentionKernel& kernel, int64_t sequence, int64_t tokens, std::vector<Queries>& tiles) {
  const int64_t vectors = rounded_quotient(tokens, kernel.lanes);
  const int64_t count = rounded_quotient(vectors, static_cast<int64_t>(kernel.vectors));
  if (count == 0) return;
  const int64_t step = rounded_quotient(vectors, count) * kernel.lanes;
  for (int64_t first = 0; first < tokens; first += step) {
    tiles.push_back({sequence, tokens, first, std::min(first + step, tokens)});
  }
}

}  // namespace

std::optional<at::Tensor> attend_sequences(const Kernels& kernels, const at::Tensor& qkv,
                                           const at::Tensor& boundaries) {
  const bool wide = qkv.scalar_type() == at::kFloat;
  if (!wide && qkv.scalar_type() != at::kBFloat16) return std::nullopt;
  const AttentionKernel& kernel = wide ? kernels.attention_float : kernels.attention_bfloat16;
  const int64_t heads = qkv.size(2);
  const int64_t width = qkv.size(3);
  if (kernel.lanes == 0 || width % static_cast<int64_t>(kernel.width_step) != 0) return std::nullopt;
  at::Tensor result = at::empty({qkv.size(0), heads * width}, qkv.options());
  const auto* firsts = boundaries.const_data_ptr<int32_t>();
  std::vector<Queries> tiles;
  int64_t work = 0;
  for (int64_t i = 0; i + 1 < boundaries.numel(); ++i) {
    const int64_t tokens = firsts[i + 1] - firsts[i];
    add_tiles(kernel, firsts[i], tokens, tiles);
    work += 2 * tokens * tokens * heads * width;
  }
  const auto* from = static_cast<const char*>(qkv.const_data_ptr());
  auto* to = static_cast<char*>(result.mutable_data_ptr());
  const auto size = static_cast<int64_t>(qkv.element_size());
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(width)));
  share_out(static_cast<int64_t>(tiles.size()) * heads, threads_for(work), [&](int64_t part) {
    const Queries& tile = tiles[static_cast<size_t>(part / heads)];
    const int64_t head = part % heads * width;
    const int64_t step = heads * width;
    kernel.attend({from + (tile.sequence * 3 * step + head) * size, to + (tile.sequence * step + head) * size,
                   tile.tokens, width, step, scale},
                  tile.first, tile.last, head_memory.floats(kernel.floats(width, tile.tokens)));
  });
  return result;
}

}  // namespace prune2to4::cpu
