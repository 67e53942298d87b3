// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/tensor_view.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <array>

namespace prune2to4 {
namespace {

struct Dtype {
  const char* name;  // as safetensors spells it
  at::ScalarType type;
};
constexpr std::array<Dtype, 10> kDtypes{{{"F32", at::kFloat},
                                         {"F16", at::kHalf},
                                         {"BF16", at::kBFloat16},
                                         {"F64", at::kDouble},
                                         {"BOOL", at::kBool},
                                         {"U8", at::kByte},
                                         {"I8", at::kChar},
                                         {"I16", at::kShort},
                                         {"I32", at::kInt},
                                         {"I64", at::kLong}}};

}  // namespace

TensorView view_of(const NamedTensor& named) {
  const auto dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                  [&](const Dtype& each) { return each.type == named.tensor.scalar_type(); });
  return {named.name,
          dtype->name,
          {named.tensor.sizes().begin(), named.tensor.sizes().end()},
          {static_cast<const std::byte*>(named.tensor.const_data_ptr()), named.tensor.nbytes()}};
}

std::optional<at::Tensor> copy_of(const TensorView& view) {
  const auto dtype = std::find_if(kDtypes.begin(), kDtypes.end(),
                                  [&](const Dtype& each) { return view.dtype == each.name; });
  if (dtype == kDtypes.end()) return std::nullopt;
  const std::vector<int64_t> sizes(view.shape.begin(), view.shape.end());
  if (view.bytes.empty()) return at::empty(sizes, dtype->type);
  // from_blob takes no const; clone() reads only.
  return at::from_blob(const_cast<std::byte*>(view.bytes.data()), sizes, dtype->type).clone();
}

}  // namespace prune2to4
