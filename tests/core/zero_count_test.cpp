// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "model_fixture.h"
#include "prune2to4/error.h"
#include "prune2to4/model_contents.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

template <typename T>
std::string bytes_of_all(const std::vector<T>& values) {
  std::string out;
  for (const T value : values) out += bytes_of(value);
  return out;
}

// A tensor over the whole of a record "data/0" with these bytes.
struct Stored {
  Archive archive;
  StoredTensor tensor;
};

Stored stored(const std::string& bytes, const std::string& dtype, int64_t element_size,
              std::vector<int64_t> shape, std::vector<int64_t> strides, int64_t offset = 0) {
  const TemporaryFile file(build_zip(with_record(model_parts(), "data/0", bytes)));
  StoredTensor tensor{.name = "x",
                      .module_class = "M",
                      .dtype = dtype,
                      .shape = std::move(shape),
                      .strides = std::move(strides),
                      .storage_offset = offset,
                      .record = "data/0",
                      .element_size = element_size};
  return {Archive::read(file.path()), std::move(tensor)};
}

int64_t zeros(const Stored& s) { return count_zeros(s.archive, s.tensor); }
int64_t dense_groups(const Stored& s) { return count_dense_groups(s.archive, s.tensor); }

CATCH_TEST_CASE("zeros of both signs count, subnormals and NaN do not") {
  CATCH_CHECK(
      zeros(stored(bytes_of_all<float>({0.0F, -0.0F, 1e-45F, 1.0F, std::numeric_limits<float>::quiet_NaN()}),
                   "float32", 4, {5}, {1})) == 2);
  CATCH_CHECK(zeros(stored(bytes_of_all<uint16_t>({0, 0x8000, 1, 0x7FFF}), "float16", 2, {4}, {1})) == 2);
  CATCH_CHECK(zeros(stored(bytes_of_all<uint16_t>({0, 0x8000, 1, 0x7FFF}), "bfloat16", 2, {2, 2}, {2, 1})) ==
              2);
  CATCH_CHECK(zeros(stored(bytes_of_all<double>({0.0, -0.0, 5e-324}), "float64", 8, {3}, {1})) == 2);
}

CATCH_TEST_CASE("the lowest integer is not zero") {
  CATCH_CHECK(zeros(stored(bytes_of_all<int64_t>({0, std::numeric_limits<int64_t>::min(), 1}), "int64", 8,
                           {3}, {1})) == 1);
  CATCH_CHECK(zeros(stored(std::string("\0\x80\x01\0", 4), "int8", 1, {4}, {1})) == 2);
  CATCH_CHECK(zeros(stored(std::string("\0\x01\0", 3), "bool", 1, {3}, {1})) == 2);
}

CATCH_TEST_CASE("a complex number is zero when both parts are") {
  CATCH_CHECK(zeros(stored(bytes_of_all<float>({0, -0.0F, 0, 1, 1, 0, 1, 1}), "complex64", 8, {4}, {1})) ==
              1);
  CATCH_CHECK(zeros(stored(bytes_of_all<double>({0, -0.0, 0, 1}), "complex128", 16, {2}, {1})) == 1);
}

CATCH_TEST_CASE("views count what they show") {
  const std::string bytes = bytes_of_all<int32_t>({0, 1, 0, 3, 4, 0, 6, 7});
  CATCH_CHECK(zeros(stored(bytes, "int32", 4, {}, {}, 2)) == 1);
  CATCH_CHECK(zeros(stored(bytes, "int32", 4, {4}, {2})) == 2);
  CATCH_CHECK(zeros(stored(bytes, "int32", 4, {4, 2}, {1, 4})) == 3);
  CATCH_CHECK(zeros(stored(bytes, "int32", 4, {2, 2, 2}, {1, 0, 4}, 1)) == 4);
  CATCH_CHECK(zeros(stored(bytes, "int32", 4, {0, 4}, {4, 1})) == 0);
  CATCH_CHECK(zeros(stored(bytes, "int32", 4, {5}, {0})) == 5);
}

CATCH_TEST_CASE("counts agree with element by element counting at every length") {
  std::mt19937 random(5);
  for (size_t size = 1; size < 70; ++size) {
    std::vector<float> values(size);
    int64_t expected = 0;
    for (float& value : values) {
      value = random() % 3 == 0 ? -0.0F : 1.0F;
      expected += value == 0.0F ? 1 : 0;
    }
    CATCH_CHECK(zeros(stored(bytes_of_all(values), "float32", 4, {static_cast<int64_t>(size)}, {1})) ==
                expected);
  }
}

CATCH_TEST_CASE("groups of four with fewer than two zeros are dense") {
  const std::string bytes =
      bytes_of_all<float>({0, -0.0F, 1, 2, /**/ 0, 1, 2, 3, /**/ 0, 0, 0, 0, /**/ 1, 2, 3, 4});
  CATCH_CHECK(dense_groups(stored(bytes, "float32", 4, {2, 8}, {8, 1})) == 2);
  // The transposed view: columns of the 4 by 4 matrix.
  CATCH_CHECK(dense_groups(stored(bytes, "float32", 4, {4, 4}, {1, 4})) == 2);
  CATCH_CHECK(dense_groups(stored(bytes_of_all<uint16_t>({0x8000, 0, 1, 1, 0, 1, 1, 1}), "float16", 2, {2, 4},
                                  {4, 1})) == 1);
}

CATCH_TEST_CASE("groups of four need a floating matrix with a multiple of four columns") {
  const std::string bytes(128, '\0');
  CATCH_CHECK_THROWS_AS(dense_groups(stored(bytes, "float32", 4, {4, 6}, {6, 1})), Error);
  CATCH_CHECK_THROWS_AS(dense_groups(stored(bytes, "float32", 4, {32}, {1})), Error);
  CATCH_CHECK_THROWS_AS(dense_groups(stored(bytes, "int32", 4, {4, 8}, {8, 1})), Error);
}

}  // namespace
}  // namespace prune2to4
