// SPDX-License-Identifier: Apache-2.0
#include "ops/cpu/weight_layout.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "ops/cpu/weight_code.h"

namespace prune2to4::cpu {
namespace {

constexpr int64_t kRowsOfPairs = 4;  // side by side in TiledWeight::pairs

// Of a group of four with at most two non-zeros.
Kept kept_of(const float* group) {
  int at[2] = {0, 0};
  int count = 0;
  for (int i = 0; i < 4 && count < 2; ++i) {
    if (group[i] != 0) at[count++] = i;
  }
  if (count == 0) return {};
  if (count == 1) at[1] = at[0] == 0 ? 1 : 0;
  if (at[1] < at[0]) std::swap(at[0], at[1]);
  return {group[at[0]], group[at[1]], at[0], at[1]};
}

// (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)
int pair_of(const Kept& kept) {
  return kept.first_at == 0 ? kept.second_at - 1 : kept.first_at + kept.second_at;
}

// The upper half of a bf16's fp32 form.
uint32_t upper_bits(float value) { return std::bit_cast<uint32_t>(value) >> 16; }

int64_t vector_bytes(const TiledKernel& kernel) {
  return kernel.lanes * static_cast<int64_t>(kernel.vectors * sizeof(float));
}

}  // namespace

RowsLayout::RowsLayout(const float* weight, int64_t rows, int64_t groups, int64_t lanes)
    : rows_(rows), groups_(groups), lanes_(lanes) {
  const int64_t padded = (rows + lanes - 1) / lanes * lanes;
  const int64_t pairs = (groups + 1) / 2;
  values_.resize(static_cast<size_t>(padded * pairs * 4));
  positions_.resize(static_cast<size_t>(padded * pairs));
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t group = 0; group < groups; ++group) {
      const Kept kept = kept_of(weight + 4 * (row * groups + group));
      const int64_t place = at(row, group);
      const int64_t odd = group % 2;
      float* values = values_.data() + 4 * place + 2 * odd * lanes + row % lanes;
      values[0] = kept.first;
      values[lanes] = kept.second;
      const int positions = (kept.first_at | kept.second_at << 2) << (4 * odd);
      positions_[static_cast<size_t>(place + row % lanes)] |= static_cast<uint8_t>(positions);
    }
  }
}

// Of the vector that holds it, in vectors of positions.
int64_t RowsLayout::at(int64_t row, int64_t group) const {
  return (row / lanes_ * ((groups_ + 1) / 2) + group / 2) * lanes_;
}

Kept RowsLayout::kept(int64_t row, int64_t group) const {
  const int64_t place = at(row, group);
  const int64_t odd = group % 2;
  const float* values = values_.data() + 4 * place + 2 * odd * lanes_ + row % lanes_;
  const int positions = positions_[static_cast<size_t>(place + row % lanes_)] >> (4 * odd);
  return {values[0], values[lanes_], positions & 3, positions >> 2 & 3};
}

TiledLayout::TiledLayout(const RowsLayout& weight, const TiledKernel& kernel)
    : rows_(weight.rows()), groups_(weight.groups()) {
  switch (kernel.form) {
    case WeightForm::kEntries:
      add_entries(weight, kernel);
      break;
    case WeightForm::kPairs:
      add_pairs(weight, kernel);
      break;
    case WeightForm::kCode:
      code_ = std::make_unique<WeightCode>(weight);
      break;
    case WeightForm::kMasks:
      add_masks(weight);
      break;
  }
}
TiledLayout::~TiledLayout() = default;

TiledWeight TiledLayout::view() const {
  return {rows_,         groups_,        entries_.data(),
          pairs_.data(), places_.data(), code_ ? code_->blocks() : nullptr,
          masks_.data(), kept_.data()};
}

void TiledLayout::add_entries(const RowsLayout& weight, const TiledKernel& kernel) {
  entries_.reserve(static_cast<size_t>(rows_ * groups_));
  for (int64_t block = 0; block < groups_; block += kernel.groups) {
    for (int64_t row = 0; row < rows_; ++row) {
      for (int64_t group = block; group < std::min(block + kernel.groups, groups_); ++group) {
        const Kept kept = weight.kept(row, group);
        const auto place = [&](int position) {
          return static_cast<uint16_t>((4 * (group - block) + position) * vector_bytes(kernel));
        };
        entries_.push_back({kept.first, kept.second, place(kept.first_at), place(kept.second_at)});
      }
    }
  }
}

void TiledLayout::add_pairs(const RowsLayout& weight, const TiledKernel& kernel) {
  for (int64_t block = 0; block < groups_; block += kernel.groups) {
    for (int64_t first = 0; first < rows_; first += kRowsOfPairs) {
      for (int64_t group = block; group < std::min(block + kernel.groups, groups_); ++group) {
        for (int64_t row = first; row < first + kRowsOfPairs; ++row) {
          const Kept kept = row < rows_ ? weight.kept(row, group) : Kept{};
          pairs_.push_back(upper_bits(kept.first) | upper_bits(kept.second) << 16);
          places_.push_back(static_cast<uint16_t>((kernel.group_values * (group - block) + pair_of(kept)) *
                                                  vector_bytes(kernel)));
        }
      }
    }
  }
}

// Each group keeps just two elements, in the padding too.
void TiledLayout::add_masks(const RowsLayout& weight) {
  constexpr int64_t kHalf = kPanelRows / 2;
  constexpr int64_t kGroups = 8;
  for (int64_t panel = 0; panel < rows_; panel += kPanelRows) {
    for (int64_t block = 0; block < groups_; block += kGroups) {
      for (int64_t first = panel; first < panel + kPanelRows; first += kHalf) {
        for (int64_t group = block; group < block + kGroups; ++group) add_masks(weight, first, group);
      }
    }
  }
}

// The first kept element is where its feature is in its pair; the second takes the place that is left.
void TiledLayout::add_masks(const RowsLayout& weight, int64_t first, int64_t group) {
  uint32_t of_first_pair = 0;
  uint32_t turned = 0;
  for (int64_t i = 0; i < kPanelRows / 2; ++i) {
    const bool there = first + i < rows_ && group < groups_;
    const Kept kept = there ? weight.kept(first + i, group) : Kept{};
    const int place = kept.first_at % 2;
    const uint16_t values[] = {static_cast<uint16_t>(upper_bits(kept.first)),
                               static_cast<uint16_t>(upper_bits(kept.second))};
    kept_.push_back(values[place]);
    kept_.push_back(values[1 - place]);
    of_first_pair |= static_cast<uint32_t>(kept.first_at < 2) << (2 * i + place);
    of_first_pair |= static_cast<uint32_t>(kept.second_at < 2) << (2 * i + 1 - place);
    turned |= static_cast<uint32_t>(kept.second_at % 2 == place) << i;
  }
  masks_.push_back(of_first_pair);
  masks_.push_back(turned);
}

}  // namespace prune2to4::cpu
