// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "prune2to4/train.h"
#include "train/packed_batch.h"

namespace prune2to4 {

// What the teachers say of every window, computed once: start and end logits of all tokens, windows one
// behind the other. Of several teachers it is what gives the mean of their probabilities at the recipe's
// temperature.
class Teacher {
 public:
  // Reads options.teacher_cache when it was made by these teachers of this data, else computes, each rank its
  // share, and writes it. Precondition: there are teachers.
  Teacher(const TokenizedSquad& data, const TrainOptions& options);

  // Puts the logits of these windows, those that pack_batch() got, into the batch.
  void fill(const std::vector<int64_t>& windows, PackedBatch& batch) const;
  std::string description() const { return description_; }

 private:
  bool read_cache(const TrainOptions& options);
  void write_cache(const TrainOptions& options) const;
  void compute(const TrainOptions& options);

  const TokenizedSquad& data_;
  std::vector<int64_t> offsets_;  // of each window's first token
  at::Tensor logits_;             // fp32 [2, tokens] on the host
  std::string description_;
};

}  // namespace prune2to4
