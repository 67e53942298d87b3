// SPDX-License-Identifier: Apache-2.0
#include "train/numerics.h"

#include <ATen/Context.h>
#include <stdlib.h>

namespace prune2to4 {

void set_numerics(Precision precision, bool deterministic) {
  at::globalContext().setAllowTF32CuBLAS(precision == Precision::kTf32);
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // LibTorch asks for it
  // Were it only to warn, flash attention would add up its gradients in any order.
  at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
}

}  // namespace prune2to4
