// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "prune2to4/api.h"

namespace prune2to4 {

class DeviceWeight;  // of the operator library

// The weight of a linear layer [rows (out), cols (in)] in packed 2:4 form, as TorchScript class
// `__torch__.torch.classes.prune2to4.PackedWeight`. What is pickled is portable (see packed_matrix.h for the
// layout) and stays on the host; on a device it lives in whatever form the backend made of it when an input
// of that device and dtype came first, so it follows `module.to(device, dtype)` by itself.
class PRUNE2TO4_API PackedWeight final : public torch::CustomClassHolder {
 public:
  // (format version, layer name, {rows, cols}, values [rows, cols / 2], positions [rows, ceil(cols / 8)])
  using State = std::tuple<int64_t, std::string, std::vector<int64_t>, at::Tensor, at::Tensor>;
  static constexpr int64_t kVersion = 1;

  // `weight` is float32, float16 or bfloat16 [rows, cols], cols % 4 == 0, at most two non-zeros in each group
  // of four. Throws c10::ValueError naming the layer, and the group that breaks 2:4.
  static c10::intrusive_ptr<PackedWeight> pack(const at::Tensor& weight, std::string name);

  // Throws c10::ValueError when the state is not one that state() gives.
  explicit PackedWeight(State state);
  State state() const;

  const std::string& name() const { return name_; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  at::ScalarType scalar_type() const { return values_.scalar_type(); }
  int64_t nbytes() const { return static_cast<int64_t>(values_.nbytes() + positions_.nbytes()); }
  // Pruned elements that were -0.0 and read back as +0.0; known on the object that pack() returned.
  int64_t negative_zeros() const { return negative_zeros_; }

  // A new dense tensor [rows, cols] on the host.
  at::Tensor unpack() const;

  // The dense weight on `device` as `dtype`, made once for each pair and kept.
  at::Tensor dense(at::Device device, at::ScalarType dtype) const;

  // This weight in the form that the kernels of `device` want, made once for each pair and kept. Not to
  // outlive this object.
  std::shared_ptr<const DeviceWeight> on(at::Device device, at::ScalarType dtype) const;

 private:
  PackedWeight(std::string name, int64_t rows, int64_t cols, at::Tensor values, at::Tensor positions);

  std::string name_;
  int64_t rows_ = 0;
  int64_t cols_ = 0;
  at::Tensor values_;
  at::Tensor positions_;
  int64_t negative_zeros_ = 0;
  using Place = std::pair<std::string, at::ScalarType>;
  mutable std::mutex mutex_;
  mutable std::map<Place, at::Tensor> dense_;
  mutable std::map<Place, std::shared_ptr<const DeviceWeight>> on_devices_;
};

}  // namespace prune2to4
