// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "prune2to4/bench_report.h"
#include "prune2to4/measure.h"
#include "prune2to4/packed_weight.h"
#include "prune2to4/runner.h"
#include "prune2to4/text_batch.h"
#include "prune2to4/tokenized_squad.h"

namespace prune2to4 {

// What the contestants run at one point: batches of one shape, in turn.
struct BenchInput {
  int64_t batch = 0;   // sequences
  int64_t length = 0;  // tokens of each, padding included
  std::vector<TextBatch> batches;
  std::vector<int64_t> lengths;  // real tokens of every sequence of all batches
};

// One batch of full sequences of random tokens. `vocabulary`: ids are below it; 0: not known.
BenchInput random_input(int64_t batch, int64_t length, int64_t vocabulary, uint64_t seed);

// Batches of the file's first `windows` windows in order, padded to `length`; what fills no batch is left
// out. Precondition: batch <= windows <= data.windows(), and no window is longer.
BenchInput file_input(const TokenizedSquad& data, int64_t batch, int64_t length, int64_t windows);

// The sizes that the arithmetic of a BERT depends on.
struct EncoderSize {
  int64_t layers = 0;
  int64_t width = 0;
  int64_t inner = 0;  // of the feed-forward part
};
// None where the model, dense or sparse, is not recognised as one.
std::optional<EncoderSize> encoder_size(const torch::jit::Module& model);
// Multiplications and additions of the matrix products that a dense model needs for sequences so long.
double encoder_flops(const EncoderSize& size, const std::vector<int64_t>& lengths);

// As BenchModel has it, for weights of that dtype.
double peak_teraflops(at::Device device, at::ScalarType dtype);

// Times the runners, all on one device, on the same input; compares their outputs first. `profile`: notes
// each kernel of a GPU in one more run.
BenchPoint bench_models(const std::vector<Runner*>& runners, const BenchInput& input,
                        const std::optional<EncoderSize>& size, const MeasureOptions& options, bool profile);

// One linear layer with bias: a random 2:4 weight, packed, and the same one dense.
class BenchLinear {
 public:
  BenchLinear(const BenchLayer& layer, at::Device device, at::ScalarType dtype, uint64_t seed);

  std::vector<BenchModel> models() const;  // the packed one first
  BenchPoint run(int64_t tokens, const MeasureOptions& options) const;

 private:
  uint64_t seed_;
  at::Tensor weight_;
  c10::intrusive_ptr<PackedWeight> packed_;
  at::Tensor bias_;
};

}  // namespace prune2to4
