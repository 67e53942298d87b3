// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <memory>

#include "ops/cuda/cusparselt.h"

// d = x weight^T + bias, all row-major, which cuSPARSELt sees as column-major and transposed, but for the
// weight. What takes a DeviceHandle is called under its mutex, with its device current.
namespace prune2to4::cusparselt {

constexpr int64_t kWeightMultiple = 16;  // of both dimensions
constexpr int64_t kTokenMultiple = 8;

struct WeightShape {
  cudaDataType type = CUDA_R_16F;
  int64_t out = 0;
  int64_t in = 0;
};

// Makes the descriptor of a 2:4 weight.
void init_weight(DeviceHandle& device, Matrix& matrix, const WeightShape& weight);

struct PlanKey {
  int algorithm = 0;
  int64_t tokens = 0;
  const void* bias = nullptr;  // null: none

  auto operator<=>(const PlanKey&) const = default;
};

// Each plan has all of its own: it may refer to what it was made of, and takes some of that along when it is
// destroyed.
struct Product {
  Matrix weight;
  Matrix x;
  Matrix d;
  cusparseLtMatmulDescriptor_t matmul{};
  Algorithm algorithm;
  Plan plan;
  size_t workspace = 0;

  // All but the plan.
  Product(DeviceHandle& device, const WeightShape& shape, int64_t tokens, const void* bias);
};

// nullptr: the algorithm does not take it.
std::unique_ptr<Product> make_product(DeviceHandle& device, const WeightShape& weight, const PlanKey& key);

// How many algorithms there are, from 0, some of which may not run there.
int algorithm_count(DeviceHandle& device, cudaDataType type);

}  // namespace prune2to4::cusparselt
