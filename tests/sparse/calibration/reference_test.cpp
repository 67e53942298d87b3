// SPDX-License-Identifier: Apache-2.0
// Against tests/data/calibration_reference.safetensors, which scripts/make_calibration_reference.py makes.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "prune2to4/calibration.h"
#include "prune2to4/safetensors.h"

namespace prune2to4 {
namespace {

class Reference {
 public:
  explicit Reference(std::string name)
      : file_(Safetensors::open(
            std::filesystem::path(PRUNE2TO4_TEST_MODELS) / "calibration_reference.safetensors", "test")),
        name_(std::move(name)) {
    const at::Tensor shape = tensor("shape", at::kLong);
    moments_ = {
        tensor("products", at::kFloat), tensor("sums", at::kFloat), shape[0].item<int64_t>(), {}, {}, {}};
    mask_.zeros_per_block = shape[1].item<int64_t>();
    mask_.sparse_block_shape = {1, shape[2].item<int64_t>()};
  }

  at::Tensor tensor(const std::string& key, at::ScalarType type) const {
    const TensorView* view = file_.find(name_ + "." + key);
    CATCH_REQUIRE(view != nullptr);
    const std::vector<int64_t> shape(view->shape.begin(), view->shape.end());
    at::Tensor result = at::empty(shape, type);
    CATCH_REQUIRE(result.nbytes() == view->bytes.size());
    std::memcpy(result.mutable_data_ptr(), view->bytes.data(), view->bytes.size());
    return result;
  }

  CalibratedWeight calibrate(CalibrationMethod method, int64_t column_block = 128) const {
    CalibrationOptions options;
    options.method = method;
    options.column_block = column_block;
    return calibrate_weight(tensor("weight", at::kFloat), moments_, mask_, options);
  }

  std::vector<uint8_t> mask(const std::string& key) const {
    const at::Tensor bytes = tensor(key, at::kByte);
    const auto* data = bytes.const_data_ptr<uint8_t>();
    return {data, data + bytes.numel()};
  }

 private:
  Safetensors file_;
  std::string name_;
  InputMoments moments_;
  MaskOptions mask_;
};

CATCH_TEST_CASE("Wanda and SparseGPT are those of the papers", "[calibration]") {
  const Reference reference(GENERATE("2_of_4", "1_of_4", "4_of_8", "fewer_tokens"));
  const CalibratedWeight wanda = reference.calibrate(CalibrationMethod::kWanda);
  CATCH_CHECK(wanda.mask == reference.mask("wanda_mask"));
  const at::Tensor keep = reference.tensor("wanda_mask", at::kByte);
  CATCH_CHECK(at::equal(wanda.weight, reference.tensor("weight", at::kFloat) * keep));

  // Columns corrected at once change the order of sums only: all, three blocks, or one group at a time.
  const int64_t column_block = GENERATE(128, 16, 1);
  const CalibratedWeight sparse_gpt = reference.calibrate(CalibrationMethod::kSparseGpt, column_block);
  CATCH_CHECK(sparse_gpt.mask == reference.mask("sparsegpt_mask"));
  CATCH_CHECK(at::allclose(sparse_gpt.weight, reference.tensor("sparsegpt_weight", at::kFloat), 1e-3, 1e-4));
}

}  // namespace
}  // namespace prune2to4
