// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// What the 2:4 kernels of one instruction set offer. Its files are compiled for that set: they include
// nothing whose inline functions the linker might then take for the rest of the program.
namespace prune2to4::cpu {

enum class Element { kFloat, kBFloat16 };

// Where sums of rows go: out[t, n] = activation(sum + bias[n]) + residual[t, n].
struct Output {
  const float* bias = nullptr;  // [rows]
  bool gelu = false;            // exact
  const void* residual = nullptr;
  void* out = nullptr;
  Element element = Element::kFloat;  // of `residual` and `out`, both [tokens, rows]
  bool large = false;  // `out` will have left the caches before it is read: it may pass them by
  // What this thread will read next, which a kernel may bring to the L2 cache meanwhile.
  const char* next = nullptr;
  int64_t next_bytes = 0;
};

// The two kept elements of a group of four, and how many bytes into a block of a tile their inputs begin.
struct Entry {
  float first;
  float second;
  uint16_t first_at;
  uint16_t second_at;
};

// Machine code made for one block of a weight, up to kCodeRows rows by kCodeGroups groups. Adds its products
// with `vectors` vectors of inputs, [4 * groups][16] each and `input_bytes` apart, to the rows' sums,
// [rows][16] each and `sum_bytes` apart. Meanwhile it brings what lies at `next` to the L2 cache.
using MultiplyBlock = void (*)(const float* inputs, float* sums, const void* next, int64_t vectors,
                               int64_t input_bytes, int64_t sum_bytes);
constexpr int64_t kCodeRows = 24;    // whose sums stay in registers
constexpr int64_t kCodeGroups = 48;  // whose code and values stay in the L1 caches
constexpr int64_t kCodeLanes = 16;

constexpr int64_t kPanelRows = 32;  // of a weight in masks

// A weight [rows, 4 * groups] for a kernel of tiles; the last block of groups may be shorter.
struct TiledWeight {
  int64_t rows = 0;
  int64_t groups = 0;
  const Entry* entries = nullptr;  // [blocks][rows][groups of the block]
  const uint32_t* pairs =
      nullptr;  // bf16, the first kept element low: [blocks][rows / 4][groups of the block][4]
  const uint16_t* places = nullptr;     // of `pairs`: bytes into a block of the tile
  const MultiplyBlock* code = nullptr;  // [blocks of rows][blocks of groups], and the first one again
  // bf16, rows rounded up to whole panels and features to 32: [panels][features / 32][2][8] groups of 16
  // rows. Two words: bit 2 * row + i says that the group's kept element i is in its first pair of features,
  // at i; bit `row` that the other one, in the second pair, is not at its own place.
  const uint32_t* masks = nullptr;  // [...][2]
  const uint16_t* kept = nullptr;   // [...][16][2]
};

// The same for the kernel of rows: `lanes` rows side by side, two groups at once, zeros behind the last ones.
struct RowsWeight {
  int64_t rows = 0;
  int64_t groups = 0;
  const float* values = nullptr;       // [rows / lanes][groups / 2][4][lanes]
  const uint8_t* positions = nullptr;  // [rows / lanes][groups / 2][lanes], as in the portable form
};

// Of each token over its features.
struct Norm {
  const float* weight = nullptr;  // [features]
  const float* bias = nullptr;
  float epsilon = 0;
};

// Which of a TiledWeight's forms a kernel reads.
enum class WeightForm { kEntries, kPairs, kCode, kMasks };

// Activations of up to `vectors * lanes` tokens, features first, and the kernel that multiplies by them.
struct TiledKernel {
  int64_t lanes = 0;         // tokens of a vector
  size_t vectors = 0;        // of a tile
  size_t enough = 0;         // vectors of a tile, fewer of which take as long
  int64_t groups = 0;        // of a block, whose part of the tile stays in the L1 cache
  int64_t group_values = 0;  // vectors that a tile holds of each group and vector of tokens
  WeightForm form = WeightForm::kEntries;
  int64_t group_step = 1;   // a tile holds a multiple of so many groups
  int64_t row_step = 0;     // a part of the rows begins at a multiple of it
  int64_t tile_floats = 0;  // a tile of so many stays in the L2 cache, if that is less than `vectors`
  // x [tokens, 4 * groups] of `element`; the rest of the last vector becomes zero.
  void (*pack)(const void* x, Element element, int64_t tokens, int64_t groups, float* tile) = nullptr;
  // Rows first ... last - 1, for the first tokens of a tile; `output`'s
  // tensors begin at the tile's first token. `sums` has room for kTiledRows rows of a tile.
  void (*multiply)(const TiledWeight& weight, const float* tile, int64_t tokens, int64_t first, int64_t last,
                   const Output& output, float* sums) = nullptr;
  // The same of x's tokens as they lie: each block is packed when its turn comes, into `block`, which has
  // room for `groups` of a tile. Empty: there is none. A full tile of no more than `cached_groups` is better
  // packed once: it stays in the L2 cache.
  int64_t cached_groups = 0;
  void (*multiply_unpacked)(const TiledWeight& weight, const void* x, int64_t tokens, int64_t first,
                            int64_t last, const Output& output, float* block, float* sums) = nullptr;
  // What goes from tile to tile; only a kernel of entries has it.
  // activation(sum + bias) of all rows into the tile `out`.
  void (*multiply_tile)(const TiledWeight& weight, const float* tile, int64_t tokens, const float* bias,
                        bool gelu, float* out) = nullptr;
  // norm(tile + added) into `tile`; `added` is undefined then.
  void (*add_norm)(const Norm& norm, int64_t tokens, int64_t features, float* added, float* tile) = nullptr;
  // A tile's first tokens to `output`, which begins there.
  void (*unpack)(const float* tile, int64_t tokens, int64_t features, const Output& output) = nullptr;
};

// Rows that go by each block of a tile before the next one comes from the L2 cache; their sums stay there
// too.
constexpr int64_t kTiledRows = 768;

// Vectors of output rows: for few tokens.
struct RowsKernel {
  int64_t lanes = 0;
  size_t vectors = 0;  // that are best done at once
  // Vectors of rows first ... last - 1. x [tokens, 4 * groups].
  void (*multiply)(const RowsWeight& weight, const float* x, int64_t tokens, int64_t first, int64_t last,
                   const Output& output) = nullptr;
};

// One head of a sequence, in the kernel's type.
struct Head {
  const void* qkv = nullptr;  // the first token's query, of [tokens, 3, heads, width]
  void* out = nullptr;        // the first token's, of [tokens, heads, width]
  int64_t tokens = 0;
  int64_t width = 0;
  int64_t step = 0;  // heads * width
  float scale = 1;   // of scores
};

// softmax(scale * q k^T) v, for up to `vectors * lanes` queries at once.
struct AttentionKernel {
  int64_t lanes = 0;
  size_t vectors = 0;
  size_t width_step = 0;  // a head's width is a multiple of it
  // Floats of memory that a call takes.
  int64_t (*floats)(int64_t width, int64_t tokens) = nullptr;
  // Queries first ... last - 1.
  void (*attend)(const Head& head, int64_t first, int64_t last, float* memory) = nullptr;
};

struct Kernels {
  const char* name = nullptr;    // of the instruction set
  TiledKernel tiled_float = {};  // of fp32, and of bf16 that is computed in fp32
  TiledKernel coded = {};        // the same, where memory can be made executable; empty: there is none
  RowsKernel rows = {};          // empty: there is none
  AttentionKernel attention_float = {};
  // For bf16; empty: there is none.
  const char* bfloat16_name = nullptr;  // of what they need besides
  TiledKernel tiled_bfloat16 = {};
  AttentionKernel attention_bfloat16 = {};
};

const Kernels& portable_kernels();
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();
const Kernels& avx512_bf16_kernels();
const Kernels& amx_kernels();

}  // namespace prune2to4::cpu
