// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/packed_weight.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "ops/device_weight.h"
#include "prune2to4/packed_matrix.h"
#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

void check_shape(const std::string& name, int64_t rows, int64_t cols) {
  TORCH_CHECK_VALUE(rows >= 0 && cols >= 0 && cols % 4 == 0, "[pack] layer '", name, "': shape [", rows, ", ",
                    cols, "] cannot be packed; the second dimension must be a multiple of 4");
}

}  // namespace

PackedWeight::PackedWeight(std::string name, int64_t rows, int64_t cols, at::Tensor values,
                           at::Tensor positions)
    : name_(std::move(name)),
      rows_(rows),
      cols_(cols),
      values_(std::move(values)),
      positions_(std::move(positions)) {}

c10::intrusive_ptr<PackedWeight> PackedWeight::pack(const at::Tensor& weight, std::string name) {
  const at::Tensor host = host_copy(weight, "pack", "layer '" + name + "': the weight");
  const ConstMatrix matrix = matrix_view(host);
  check_shape(name, matrix.rows, matrix.cols);
  if (const auto dense = find_dense_group(matrix.data, host.element_size(), matrix.rows, matrix.cols)) {
    TORCH_CHECK_VALUE(false, "[pack] layer '", name, "' is not 2:4: row ", dense->row, ", columns ",
                      dense->column, " to ", dense->column + 3, " hold ", dense->nonzeros,
                      " non-zero elements");
  }
  at::Tensor values = at::empty({matrix.rows, packed_value_columns(matrix.cols)}, host.options());
  at::Tensor positions = at::empty({matrix.rows, packed_position_columns(matrix.cols)}, at::kByte);
  const int64_t negative_zeros =
      prune2to4::pack(matrix.data, host.element_size(), matrix.rows, matrix.cols, values.mutable_data_ptr(),
                      positions.mutable_data_ptr<uint8_t>());
  c10::intrusive_ptr<PackedWeight> packed(
      new PackedWeight(std::move(name), matrix.rows, matrix.cols, std::move(values), std::move(positions)),
      c10::raw::DontIncreaseRefcount{});
  packed->negative_zeros_ = negative_zeros;
  return packed;
}

PackedWeight::PackedWeight(State state) {
  const auto& [version, name, shape, values, positions] = state;
  TORCH_CHECK_VALUE(version == kVersion, "[pack] layer '", name, "' has packed format ", version,
                    "; this build reads format ", kVersion);
  TORCH_CHECK_VALUE(shape.size() == 2, "[pack] layer '", name, "': packed shape has ", shape.size(),
                    " dimensions");
  check_shape(name, shape[0], shape[1]);
  const at::Tensor host_values = host_copy(values, "pack", "layer '" + name + "': packed values");
  const at::Tensor host_positions = host_copy(positions, "pack", "layer '" + name + "': packed positions");
  TORCH_CHECK_VALUE(is_weight_type(values.scalar_type()) && positions.scalar_type() == at::kByte,
                    "[pack] layer '", name, "': packed values are ", values.scalar_type(), ", positions ",
                    positions.scalar_type());
  const std::vector<int64_t> value_shape{shape[0], packed_value_columns(shape[1])};
  const std::vector<int64_t> position_shape{shape[0], packed_position_columns(shape[1])};
  TORCH_CHECK_VALUE(values.sizes() == value_shape && positions.sizes() == position_shape, "[pack] layer '",
                    name, "': packed values ", values.sizes(), " and positions ", positions.sizes(),
                    " do not fit shape [", shape[0], ", ", shape[1], "]");
  name_ = name;
  rows_ = shape[0];
  cols_ = shape[1];
  values_ = host_values;
  positions_ = host_positions;
  TORCH_CHECK_VALUE(positions_valid(positions_.const_data_ptr<uint8_t>(), rows_, cols_), "[pack] layer '",
                    name_, "': packed positions are damaged");
}

PackedWeight::State PackedWeight::state() const {
  return {kVersion, name_, {rows_, cols_}, values_, positions_};
}

at::Tensor PackedWeight::unpack() const {
  at::Tensor weight = at::empty({rows_, cols_}, values_.options());
  prune2to4::unpack(values_.const_data_ptr(), positions_.const_data_ptr<uint8_t>(), values_.element_size(),
                    rows_, cols_, weight.mutable_data_ptr());
  return weight;
}

at::Tensor PackedWeight::dense(at::Device device, at::ScalarType dtype) const {
  const std::scoped_lock lock(mutex_);
  at::Tensor& weight = dense_[{device.str(), dtype}];
  if (!weight.defined()) weight = unpack().to(device, dtype);
  return weight;
}

std::shared_ptr<const DeviceWeight> PackedWeight::on(at::Device device, at::ScalarType dtype) const {
  const Place place{device.str(), dtype};
  const auto find = [&]() -> std::shared_ptr<const DeviceWeight> {
    const std::scoped_lock lock(mutex_);
    const auto found = on_devices_.find(place);
    return found == on_devices_.end() ? nullptr : found->second;
  };
  if (auto found = find()) return found;
  auto made = std::make_shared<const DeviceWeight>(*this, device, dtype);
  const std::scoped_lock lock(mutex_);
  return on_devices_.emplace(place, std::move(made)).first->second;  // another thread may have been first
}

}  // namespace prune2to4
