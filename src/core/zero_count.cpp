// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "core/stored_tensor.h"
#include "core/zip_directory.h"
#include "prune2to4/error.h"
#include "prune2to4/model_contents.h"

namespace prune2to4 {
namespace {

using Bytes = std::span<const std::byte>;

// One row of a strided tensor: `count` elements, `stride` bytes from one to the next.
struct Row {
  const std::byte* first;
  size_t count;
  size_t stride;
};

// How to tell that an element is zero: of each of its parts (a complex number has two), the significant bits
// are.
template <typename T>
struct ZeroRule {
  T significant;
  size_t parts;

  bool holds(const std::byte* element) const {
    T bits = 0;
    for (size_t part = 0; part < parts; ++part) {
      T more;
      std::memcpy(&more, element + part * sizeof(T), sizeof(T));
      bits |= more;
    }
    return (bits & significant) == 0;
  }
};

template <typename T>
int64_t zeros_in_row(const Row& row, const ZeroRule<T>& rule) {
  int64_t zeros = 0;
  if (rule.parts == 1 && row.stride == sizeof(T)) {  // the loop that compilers vectorise
    const ZeroRule<T> plain{rule.significant, 1};
    for (size_t i = 0; i < row.count; ++i) zeros += plain.holds(row.first + i * sizeof(T)) ? 1 : 0;
    return zeros;
  }
  for (size_t i = 0; i < row.count; ++i) zeros += rule.holds(row.first + i * row.stride) ? 1 : 0;
  return zeros;
}

template <typename T>
int64_t dense_groups_in_row(const Row& row, const ZeroRule<T>& rule) {
  int64_t dense = 0;
  for (size_t i = 0; i + 4 <= row.count; i += 4) {
    int zeros = 0;
    for (size_t k = 0; k < 4; ++k) zeros += rule.holds(row.first + (i + k) * row.stride) ? 1 : 0;
    dense += zeros < 2 ? 1 : 0;
  }
  return dense;
}

bool is_complex(const StoredTensor& tensor) { return tensor.dtype.starts_with("complex"); }

bool is_floating(const StoredTensor& tensor) {
  return tensor.dtype.starts_with("float") || tensor.dtype.starts_with("bfloat");
}

// Calls visit(Row) for each index of all dimensions but the last; a scalar is one row of one element.
template <typename Visit>
int64_t sum_over_rows(const Archive& archive, const StoredTensor& tensor, Visit visit) {
  if (element_count(tensor) == 0) return 0;
  const ArchiveEntry* entry = archive.find(tensor.record);
  if (entry == nullptr) refuse_record(archive.file(), tensor.record, "is missing");
  const Bytes bytes = archive.stored(*entry);
  const auto size = static_cast<size_t>(tensor.element_size);
  const size_t dimensions = tensor.shape.size();
  const size_t count = dimensions == 0 ? 1 : static_cast<size_t>(tensor.shape.back());
  const size_t stride = dimensions == 0 ? size : static_cast<size_t>(tensor.strides.back()) * size;
  std::vector<int64_t> index(dimensions, 0);
  int64_t sum = 0;
  while (true) {
    auto first = static_cast<size_t>(tensor.storage_offset);
    for (size_t d = 0; d < dimensions; ++d) first += static_cast<size_t>(index[d] * tensor.strides[d]);
    sum += visit(Row{bytes.data() + first * size, count, stride});
    size_t d = dimensions < 2 ? 0 : dimensions - 1;
    while (d > 0 && ++index[d - 1] == tensor.shape[d - 1]) index[--d] = 0;
    if (d == 0) return sum;
  }
}

// Calls count(Row, ZeroRule<T>) with the unsigned type of a part's size.
template <typename Count>
int64_t sum_by_size(const Archive& archive, const StoredTensor& tensor, Count count) {
  const auto sum_as = [&]<typename T>(T all) {
    const bool with_sign = is_floating(tensor) || is_complex(tensor);
    const ZeroRule<T> rule{static_cast<T>(with_sign ? all >> 1U : all),
                           is_complex(tensor) ? size_t{2} : size_t{1}};
    return sum_over_rows(archive, tensor, [&](const Row& row) { return count(row, rule); });
  };
  switch (tensor.element_size / (is_complex(tensor) ? 2 : 1)) {
    case 1:
      return sum_as(std::numeric_limits<uint8_t>::max());
    case 2:
      return sum_as(std::numeric_limits<uint16_t>::max());
    case 4:
      return sum_as(std::numeric_limits<uint32_t>::max());
    default:
      return sum_as(std::numeric_limits<uint64_t>::max());
  }
}

}  // namespace

int64_t count_zeros(const Archive& archive, const StoredTensor& tensor) {
  return sum_by_size(archive, tensor,
                     [](const Row& row, const auto& rule) { return zeros_in_row(row, rule); });
}

int64_t count_dense_groups(const Archive& archive, const StoredTensor& tensor) {
  if (tensor.shape.size() != 2 || tensor.shape[1] % 4 != 0 || !is_floating(tensor)) {
    throw Error(ExitStatus::kModel, "inspect",
                "groups of four need a floating matrix with a multiple of 4 columns; \"" + tensor.name +
                    "\" is not one");
  }
  return sum_by_size(archive, tensor,
                     [](const Row& row, const auto& rule) { return dense_groups_in_row(row, rule); });
}

}  // namespace prune2to4
