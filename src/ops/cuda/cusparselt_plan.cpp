// SPDX-License-Identifier: Apache-2.0
#include "ops/cuda/cusparselt_plan.h"

#include <c10/util/Exception.h>

namespace prune2to4::cusparselt {
namespace {

constexpr uint32_t kAlignment = 16;
constexpr int64_t kSomeTokens = 256;  // the number of algorithms does not depend on it

void init_dense(DeviceHandle& device, Matrix& matrix, cudaDataType type, int64_t width, int64_t tokens) {
  const cusparseStatus_t status = device.of.init_dense(&device.handle, matrix.get(), width, tokens, width,
                                                       kAlignment, type, CUSPARSE_ORDER_COL);
  matrix.made(status);
  check(device.of, status, "matrix");
}

}  // namespace

void init_weight(DeviceHandle& device, Matrix& matrix, const WeightShape& weight) {
  const cusparseStatus_t status =
      device.of.init_structured(&device.handle, matrix.get(), weight.out, weight.in, weight.in, kAlignment,
                                weight.type, CUSPARSE_ORDER_ROW, CUSPARSELT_SPARSITY_50_PERCENT);
  matrix.made(status);
  check(device.of, status, "weight");
}

Product::Product(DeviceHandle& device, const WeightShape& shape, int64_t tokens, const void* bias)
    : weight(device.of), x(device.of), d(device.of), algorithm(device.of), plan(device.of) {
  init_weight(device, weight, shape);
  init_dense(device, x, shape.type, shape.in, tokens);
  init_dense(device, d, shape.type, shape.out, tokens);
  check(device.of,
        device.of.init_matmul(&device.handle, &matmul, CUSPARSE_OPERATION_NON_TRANSPOSE,
                              CUSPARSE_OPERATION_NON_TRANSPOSE, weight.get(), x.get(), d.get(), d.get(),
                              CUSPARSE_COMPUTE_32F),
        "product's description");
  if (bias != nullptr) {
    check(device.of,
          device.of.set_matmul(&device.handle, &matmul, CUSPARSELT_MATMUL_BIAS_POINTER, &bias, sizeof(bias)),
          "bias");
  }
  const cusparseStatus_t status =
      device.of.init_algorithm(&device.handle, algorithm.get(), &matmul, CUSPARSELT_MATMUL_ALG_DEFAULT);
  algorithm.made(status);
  check(device.of, status, "algorithms");
}

std::unique_ptr<Product> make_product(DeviceHandle& device, const WeightShape& weight, const PlanKey& key) {
  auto made = std::make_unique<Product>(device, weight, key.tokens, key.bias);
  if (device.of.set_algorithm(&device.handle, made->algorithm.get(), CUSPARSELT_MATMUL_ALG_CONFIG_ID,
                              &key.algorithm, sizeof(key.algorithm)) != CUSPARSE_STATUS_SUCCESS ||
      !made->plan.made(
          device.of.init_plan(&device.handle, made->plan.get(), &made->matmul, made->algorithm.get()))) {
    return nullptr;
  }
  check(device.of, device.of.get_workspace(&device.handle, made->plan.get(), &made->workspace), "workspace");
  return made;
}

int algorithm_count(DeviceHandle& device, cudaDataType type) {
  const Product some(device, {type, 4 * kWeightMultiple, 4 * kWeightMultiple}, kSomeTokens, nullptr);
  int count = 0;
  check(device.of,
        device.of.get_algorithm(&device.handle, some.algorithm.get(), CUSPARSELT_MATMUL_ALG_CONFIG_MAX_ID,
                                &count, sizeof(count)),
        "number of algorithms");
  return count;
}

}  // namespace prune2to4::cusparselt
