// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/attention.h"
#include "ops/cpu/tiled.h"

namespace prune2to4::cpu {
namespace {

// What every compiler target has, of GCC's and Clang's vectors.
struct Portable {
  using Floats = float __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;

  static Floats all(float value) { return Floats{value, value, value, value}; }
  static Floats load(const float* from) { return read<Floats>(from); }
  static void store(float* to, Floats value) { write(to, value); }
  static Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
  static Floats least(Floats a, Floats b) { return a < b ? a : b; }
  static Floats greatest(Floats a, Floats b) { return a > b ? a : b; }
  static Floats root(Floats value) {
    for (int i = 0; i < kLanes; ++i) value[i] = __builtin_sqrtf(value[i]);
    return value;
  }
};

}  // namespace

const Kernels& portable_kernels() {
  static const Kernels kernels{.name = "portable",
                               .tiled_float = Tiled<Portable, 8, 32>::kKernel,
                               .attention_float = Attention<Portable, 3, 4>::kKernel};
  return kernels;
}

}  // namespace prune2to4::cpu
