// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/cpu/kernels.h"

namespace prune2to4::cpu {

// What a group of four keeps, the first before the second.
struct Kept {
  float first = 0;
  float second = 0;
  int first_at = 0;
  int second_at = 1;
};

// A 2:4 weight as RowsKernel reads it: the most compact form, from which the others are made.
class RowsLayout {
 public:
  // `weight` [rows, 4 * groups] has at most two non-zeros in each group.
  RowsLayout(const float* weight, int64_t rows, int64_t groups, int64_t lanes);

  RowsWeight view() const { return {rows_, groups_, values_.data(), positions_.data()}; }
  int64_t rows() const { return rows_; }
  int64_t groups() const { return groups_; }
  Kept kept(int64_t row, int64_t group) const;

 private:
  int64_t at(int64_t row, int64_t group) const;

  int64_t rows_;
  int64_t groups_;
  int64_t lanes_;
  std::vector<float> values_;
  std::vector<uint8_t> positions_;
};

class WeightCode;

// As a TiledKernel reads it.
class TiledLayout {
 public:
  TiledLayout(const RowsLayout& weight, const TiledKernel& kernel);
  ~TiledLayout();
  TiledWeight view() const;

 private:
  void add_entries(const RowsLayout& weight, const TiledKernel& kernel);
  void add_pairs(const RowsLayout& weight, const TiledKernel& kernel);
  void add_masks(const RowsLayout& weight);
  void add_masks(const RowsLayout& weight, int64_t first, int64_t group);

  int64_t rows_;
  int64_t groups_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> pairs_;
  std::vector<uint16_t> places_;
  std::vector<uint32_t> masks_;
  std::vector<uint16_t> kept_;
  std::unique_ptr<WeightCode> code_;
};

}  // namespace prune2to4::cpu
