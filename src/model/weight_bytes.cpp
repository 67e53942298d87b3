// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "prune2to4/graph_walk.h"
#include "prune2to4/model.h"
#include "prune2to4/packed_matrix.h"

namespace prune2to4 {

int64_t weight_bytes(const torch::jit::Module& module, at::ScalarType dtype) {
  int64_t bytes = 0;
  std::set<const void*> seen;
  const auto add = [&](const at::Tensor& tensor) {
    if (seen.insert(tensor.const_data_ptr()).second) bytes += static_cast<int64_t>(tensor.nbytes());
  };
  for (const at::Tensor& parameter : module.parameters()) add(parameter);
  for (const at::Tensor& buffer : module.buffers()) add(buffer);
  const auto element = static_cast<int64_t>(c10::elementSize(dtype));
  for (const auto& [name, weight] : packed_weights(module)) {
    if (!seen.insert(weight.get()).second) continue;
    bytes += weight->rows() *
             (packed_value_columns(weight->cols()) * element + packed_position_columns(weight->cols()));
  }
  return bytes;
}

}  // namespace prune2to4
