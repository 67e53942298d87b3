// SPDX-License-Identifier: Apache-2.0
// Runs a sparse model through the installed operator library, and prints the sum of its first output.
#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cstdio>

int main(int, char** argv) {
  torch::jit::Module model = torch::jit::load(argv[1]);
  const c10::InferenceMode inference;
  const at::Tensor ids = at::arange(64).reshape({2, 32}) + 5;
  const auto outputs = model.forward({ids, at::ones_like(ids), at::zeros_like(ids)});
  std::printf("%.4f\n", outputs.toTuple()->elements()[0].toTensor().sum().item<double>());
}
