// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "ops/cpu/weight_layout.h"

namespace prune2to4::cpu {

// Machine code that multiplies by one weight, for AVX-512. Which two of a group's four inputs a row keeps is
// said by the registers that its instructions name: nothing is looked up, and inputs and sums stay in
// registers while only values are read. Each kept element takes 11 bytes, 7 of them code.
class WeightCode {
 public:
  // Whether memory can be made executable here.
  static bool runs();

  // Throws a std::exception where it cannot, or where there is not enough.
  explicit WeightCode(const RowsLayout& weight);
  ~WeightCode();

  // As TiledWeight::code.
  const MultiplyBlock* blocks() const;

 private:
  class Generator;
  std::unique_ptr<Generator> generator_;
};

}  // namespace prune2to4::cpu
