// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "prune2to4/archive.h"
#include "prune2to4/atomic_file.h"

namespace prune2to4 {

// Loads a gated archive from the bytes that were verified, on the CPU and in eval mode, and gives each
// record's memory back once its tensor is made: model and archive are never both whole in memory. Throws
// Error(kModel) when LibTorch refuses it.
torch::jit::Module load_model(Archive archive);
// Reads and gates it first; `sha256` receives the file's hash.
torch::jit::Module load_model(const std::filesystem::path& path, bool trust_model, std::string& sha256);

// As PyTorch spells it in Python: "float32", "bfloat16", "int64".
std::string dtype_name(at::ScalarType type);

// Of the first floating parameter; float32 when there is none.
at::ScalarType floating_type(const torch::jit::Module& module);

// A weight of the model that `forward` hands to aten::linear.
struct LinearLayer {
  std::string name;             // of the weight: "bert.encoder.layer.0.attention.self.query.weight"
  at::Tensor weight;            // [out, in], the model's own memory
  std::string obstacle;         // why its calls cannot be rewritten; empty: they can
  bool read_elsewhere = false;  // by an operator that is no linear: zeros in it would change that one too
  std::vector<std::string> shares_with;  // other parameters and buffers in the same memory
};

// `forward` with every call of a sub-module inlined, and what it holds.
class InlinedModel {
 public:
  // Throws Error(kModel) when `forward` cannot be inlined whole (interfaces, hooks, forks), when its weights
  // are constants (a frozen module), when it calls no linear layer, or, unless `trust_model`, when it calls
  // an operator that touches files or is not PyTorch's or ours.
  InlinedModel(torch::jit::Module module, bool trust_model);

  // In the order in which `forward` calls them; a module reachable on two paths has its first path's name.
  const std::vector<LinearLayer>& linears() const { return linears_; }
  // Number of calls of prune2to4::linear: of layers that an earlier run packed.
  int64_t packed_calls() const { return packed_calls_; }
  // Names of all other parameters and buffers.
  std::vector<std::string> other_tensors() const;
  // Linear layers that cannot be seen as such (a fast path, a parametrization, Conv1D): sentences with the
  // mend.
  const std::vector<std::string>& hidden_linears() const { return hidden_linears_; }
  // What a user should know: the hidden linears, dropout that is live, methods that a sparse model will not
  // keep.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Puts another tensor in the place of a linear's weight; the tensor that was there stays with whoever
  // shares it.
  void set_weight(size_t linear, const at::Tensor& weight);

  // Converts floating parameters and buffers; what shared memory still does.
  void to(at::ScalarType dtype);

  // The same model with one graph: containers keep every parameter and buffer under its name, each weight in
  // `packed` is replaced by its PackedWeight (an IValue that holds one; shared objects stay shared), and its
  // aten::linear calls by prune2to4::linear. A device that the trace wired in becomes the device of the
  // input, so that the result runs wherever it is moved.
  // On the CPU its tensors are this model's memory, on another device copies.
  torch::jit::Module rewrite(const std::map<std::string, c10::IValue>& packed,
                             at::Device device = at::kCPU) const;

  // The other way round: each packed weight is a dense parameter again, in the dtype it was packed in, and
  // its calls are aten::linear's.
  torch::jit::Module dense_twin() const;

 private:
  torch::jit::Module module_;
  std::vector<std::pair<c10::ivalue::Object*, std::string>> weight_slots_;  // of each of linears_
  std::map<std::string, std::shared_ptr<torch::jit::Graph>> graphs_;        // by method name
  std::vector<LinearLayer> linears_;
  int64_t packed_calls_ = 0;
  std::vector<std::string> hidden_linears_;
  std::vector<std::string> warnings_;
};

// Of parameters, buffers and packed weights, each memory once; a packed weight counts in its packed form with
// elements of `dtype`.
int64_t weight_bytes(const torch::jit::Module& module, at::ScalarType dtype);

// Writes a TorchScript archive to `file` (not yet committed), with `extra` records under extra/. A failing
// file system ends in Error(kFileSystem): Module::save would abort the process there. Returns the SHA-256.
std::string save_model(const torch::jit::Module& module, const std::map<std::string, std::string>& extra,
                       AtomicFile& file);

}  // namespace prune2to4
