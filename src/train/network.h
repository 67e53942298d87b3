// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "prune2to4/recipe.h"
#include "prune2to4/runner.h"
#include "train/packed_batch.h"
#include "train/parameters.h"

namespace prune2to4 {

// A model that can be trained: logits of a batch, of which the loss's gradient goes into its parameters.
class Network {
 public:
  virtual ~Network() = default;

  // Start and end logits fp32 [B, W], kNoLogit at padding. With `hidden`, also what each layer gives, [T,
  // width].
  virtual SpanLogits forward(const PackedBatch& batch, bool dropout, std::vector<at::Tensor>* hidden) = 0;

  // How batches must look, but for the number of sequences and their weight.
  virtual PackedShape shape(const TokenizedSquad& data) const = 0;
  // Whether batches had better hold windows of one length.
  virtual bool pads() const = 0;
  // Whether every batch must have the same number of sequences.
  virtual bool pads_rows() const { return can_capture(); }
  // Whether forward and backward can be recorded and repeated on a GPU.
  virtual bool can_capture() const = 0;
  virtual std::string description() const = 0;
  virtual int64_t layers() const { return 0; }  // of hidden states; 0: it gives none
  virtual int64_t width() const { return 0; }   // of hidden states
};

// Shares of elements that dropout clears.
struct Dropout {
  double hidden = 0;
  double attention = 0;
  int64_t places = 0;  // in the model, for reports
};

struct NetworkOptions {
  at::Device device = at::kCPU;
  Precision precision = Precision::kFp32;
  Dropout dropout;
};

// `module` is one inlined graph on the device whose parameters are those of `parameters`. A BERT encoder runs
// without padding when its outputs prove equal to the module's; any other model through the interpreter.
// `dropout`: as in Recipe; what is used comes back in `options`.
std::unique_ptr<Network> make_network(const torch::jit::Module& module, const Parameters& parameters,
                                      std::optional<double> dropout, NetworkOptions& options);

// The two kinds. The first is none, and `reason` says why, when the module is no such encoder: then its
// logits are not those of `reference`, which runs the module in fp32.
std::unique_ptr<Network> make_encoder_network(const torch::jit::Module& module, Network& reference,
                                              const Parameters& parameters, const NetworkOptions& options,
                                              std::string& reason);
// `training` is the module with dropout on.
std::unique_ptr<Network> make_graph_network(const torch::jit::Module& module,
                                            const torch::jit::Module& training, const NetworkOptions& options,
                                            const std::string& reason);

}  // namespace prune2to4
