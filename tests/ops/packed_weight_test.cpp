// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/packed_weight.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

#include "prune2to4/tensor_mask.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

at::Tensor two_four(int64_t rows, int64_t cols, at::ScalarType dtype) {
  const at::Tensor weight = at::randn({rows, cols}).to(dtype);
  const std::vector<uint8_t> keep = weight_norm_mask(weight, MaskOptions{});
  const at::Tensor mask = at::tensor(at::ArrayRef<uint8_t>(keep)).reshape({rows, cols});
  return at::where(mask.to(at::kBool), weight, at::zeros_like(weight));
}

PackedWeight::State good_state() { return PackedWeight::pack(two_four(8, 16, at::kFloat), "layer")->state(); }

}  // namespace

CATCH_TEST_CASE("a packed weight unpacks to the same bits in every dtype") {
  at::manual_seed(1);
  for (const at::ScalarType dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const int64_t cols : {4, 8, 12, 64, 100}) {
      const at::Tensor weight = two_four(7, cols, dtype);
      const auto packed = PackedWeight::pack(weight, "layer");
      CATCH_CHECK(at::equal(packed->unpack(), weight));
      CATCH_CHECK(packed->unpack().scalar_type() == dtype);
      const int64_t expected = 7 * (cols / 2 * weight.element_size() + (cols + 7) / 8);
      CATCH_CHECK(packed->nbytes() == expected);
    }
  }
}

CATCH_TEST_CASE("packing a strided view packs what the view shows") {
  const at::Tensor weight = two_four(8, 16, at::kFloat);
  const at::Tensor view = weight.t().contiguous().t();
  CATCH_REQUIRE_FALSE(view.is_contiguous());
  CATCH_CHECK(at::equal(PackedWeight::pack(view, "layer")->unpack(), weight));
}

CATCH_TEST_CASE("packing refuses a weight that is not 2:4 and names layer and group") {
  at::Tensor weight = two_four(8, 16, at::kFloat);
  weight[3].slice(0, 8, 12).fill_(1);
  CATCH_CHECK_THROWS_WITH(PackedWeight::pack(weight, "encoder.0"),
                          Contains("'encoder.0'") && Contains("row 3, columns 8 to 11 hold 4"));
  CATCH_CHECK_THROWS_WITH(PackedWeight::pack(at::zeros({4, 6}), "odd"), Contains("multiple of 4"));
  CATCH_CHECK_THROWS_WITH(PackedWeight::pack(at::zeros({4}), "flat"), Contains("dimensions"));
  CATCH_CHECK_THROWS_WITH(PackedWeight::pack(at::zeros({4, 8}, at::kDouble), "wide"), Contains("Double"));
}

CATCH_TEST_CASE("a copy made through the pickled state is equal and of its own") {
  const auto packed = PackedWeight::pack(two_four(8, 16, at::kHalf), "layer");
  const auto copy = c10::IValue(packed).deepcopy().toCustomClass<PackedWeight>();
  CATCH_CHECK(copy.get() != packed.get());
  CATCH_CHECK(at::equal(copy->unpack(), packed->unpack()));
  CATCH_CHECK(copy->name() == "layer");
}

CATCH_TEST_CASE("a damaged packed state is refused") {
  CATCH_CHECK_NOTHROW(PackedWeight(good_state()));
  auto version = good_state();
  std::get<0>(version) = 2;
  CATCH_CHECK_THROWS_WITH(PackedWeight(version), Contains("format 2"));
  auto shape = good_state();
  std::get<2>(shape) = {8, 20};
  CATCH_CHECK_THROWS_WITH(PackedWeight(shape), Contains("do not fit"));
  auto negative = good_state();
  std::get<2>(negative) = {-8, 16};
  CATCH_CHECK_THROWS_WITH(PackedWeight(negative), Contains("cannot be packed"));
  auto flat = good_state();
  std::get<2>(flat) = {8};
  CATCH_CHECK_THROWS_WITH(PackedWeight(flat), Contains("dimensions"));
  auto dtype = good_state();
  std::get<4>(dtype) = std::get<4>(dtype).to(at::kInt);
  CATCH_CHECK_THROWS_WITH(PackedWeight(dtype), Contains("positions Int"));
  auto positions = good_state();
  std::get<4>(positions) = std::get<4>(positions).clone();
  std::get<4>(positions)[5][1] = 0x55;  // first and second kept column equal
  CATCH_CHECK_THROWS_WITH(PackedWeight(positions), Contains("damaged"));
}

CATCH_TEST_CASE("the dense form is made once for each dtype") {
  const auto packed = PackedWeight::pack(two_four(8, 16, at::kFloat), "layer");
  const at::Tensor first = packed->dense(at::kCPU, at::kFloat);
  CATCH_CHECK(packed->dense(at::kCPU, at::kFloat).is_same(first));
  CATCH_CHECK(at::equal(packed->dense(at::kCPU, at::kHalf), first.to(at::kHalf)));
}

CATCH_TEST_CASE("pruned negative zeros are counted and read back as positive ones") {
  at::Tensor weight = at::tensor({1.0F, -0.0F, 2.0F, -0.0F, 0.0F, 0.0F, -0.0F, 3.0F}).reshape({1, 8});
  const auto packed = PackedWeight::pack(weight, "layer");
  CATCH_CHECK(packed->negative_zeros() == 2);
  const at::Tensor back = packed->unpack();
  CATCH_CHECK(at::equal(back, weight));
  CATCH_CHECK(at::signbit(back).sum().item<int64_t>() == 1);
}

}  // namespace prune2to4
