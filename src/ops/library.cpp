// SPDX-License-Identifier: Apache-2.0
// What libprune2to4_ops.so registers: the class prune2to4.PackedWeight and the operators prune2to4::*.
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cstring>

#include "ops/linear.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

at::Tensor weight_norm_mask_op(const at::Tensor& weight, double sparsity_level, at::IntArrayRef block_shape,
                               int64_t zeros_per_block, int64_t norm, const std::string& ties) {
  TORCH_CHECK_VALUE(ties == "lowest_index" || ties == "torch", "[mask] ties is '", ties,
                    "'; it must be 'lowest_index' or 'torch'");
  TORCH_CHECK_VALUE(norm == 1 || norm == 2, "[mask] norm is ", norm, "; it must be 1 or 2");
  TORCH_CHECK_VALUE(block_shape.size() == 2, "[mask] sparse_block_shape has ", block_shape.size(),
                    " number(s); it must be [rows, cols], as in [1, 4]");
  const MaskOptions options{sparsity_level,
                            {block_shape[0], block_shape[1]},
                            zeros_per_block,
                            static_cast<int>(norm),
                            ties == "torch" ? Ties::kTorch : Ties::kLowestIndex};
  const std::vector<uint8_t> keep = weight_norm_mask(weight, options);
  at::Tensor mask = at::empty(weight.sizes(), at::kBool);
  std::memcpy(mask.mutable_data_ptr(), keep.data(), keep.size());
  return mask.to(weight.device());
}

PackedWeightPtr pack_op(const at::Tensor& weight, std::string name) {
  return PackedWeight::pack(weight, std::move(name));
}

}  // namespace

TORCH_LIBRARY(prune2to4, m) {
  m.class_<PackedWeight>("PackedWeight")
      .def("unpack", &PackedWeight::unpack)
      .def("name", [](const PackedWeightPtr& self) { return self->name(); })
      .def("shape",
           [](const PackedWeightPtr& self) {
             return std::vector<int64_t>{self->rows(), self->cols()};
           })
      .def("nbytes", &PackedWeight::nbytes)
      .def("values", [](const PackedWeightPtr& self) { return std::get<3>(self->state()); })
      .def("positions", [](const PackedWeightPtr& self) { return std::get<4>(self->state()); })
      .def_pickle(
          [](const PackedWeightPtr& self) { return self->state(); },
          [](PackedWeight::State state) { return c10::make_intrusive<PackedWeight>(std::move(state)); });
  m.def(
      "linear(Tensor input, __torch__.torch.classes.prune2to4.PackedWeight weight, Tensor? bias) -> Tensor");
  m.def("pack(Tensor weight, str name) -> __torch__.torch.classes.prune2to4.PackedWeight", pack_op);
  m.def(
      "weight_norm_mask(Tensor weight, float sparsity_level=1.0, int[2] sparse_block_shape=[1, 4], "
      "int zeros_per_block=2, int norm=2, str ties=\"lowest_index\") -> Tensor",
      weight_norm_mask_op);
}

TORCH_LIBRARY_IMPL(prune2to4, CPU, m) { m.impl("linear", linear_cpu); }
TORCH_LIBRARY_IMPL(prune2to4, CUDA, m) { m.impl("linear", linear_cuda); }
TORCH_LIBRARY_IMPL(prune2to4, Meta, m) { m.impl("linear", linear_meta); }
TORCH_LIBRARY_IMPL(prune2to4, Autograd, m) { m.impl("linear", linear_autograd); }
TORCH_LIBRARY_IMPL(prune2to4, AutocastCPU, m) { m.impl("linear", linear_autocast_cpu); }
TORCH_LIBRARY_IMPL(prune2to4, AutocastCUDA, m) { m.impl("linear", linear_autocast_cuda); }

}  // namespace prune2to4
