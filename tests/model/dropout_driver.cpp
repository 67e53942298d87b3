// SPDX-License-Identifier: Apache-2.0
// Runs a model with dropout on, for check_dropout.py.
//
//   dropout_driver MODEL.pt SEED [P]     P: dropout of every place; none: what the model says
//
// Standard input: JSON {"ids": [...], "mask": [...], "draws": N} of one sequence. Standard output: JSON
// {"places":
// [[kind, recorded, used], ...], "mean": [...], "variance": [...], "fourth": [...]}: moments, around the
// mean, of each start logit and then each end logit over N draws.
#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "prune2to4/archive.h"
#include "prune2to4/model.h"
#include "prune2to4/text_batch.h"
#include "prune2to4/training_graph.h"

namespace prune2to4 {
namespace {

using Json = nlohmann::json;

std::vector<double> numbers(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.to(at::kDouble).contiguous();
  const double* data = contiguous.const_data_ptr<double>();
  return {data, data + contiguous.numel()};
}

// Rows of a batch are dropped independently: each is a draw.
TextBatch repeated(const Json& request) {
  const int64_t draws = request.at("draws");
  const auto rows = [&](const char* key) {
    const at::Tensor row = at::tensor(request.at(key).get<std::vector<int64_t>>());
    return row.repeat({draws, 1});
  };
  const at::Tensor ids = rows("ids");
  return {ids, rows("mask"), at::zeros_like(ids)};
}

Json run(const std::string& path, uint64_t seed, std::optional<double> dropout, const Json& request) {
  torch::jit::Module model = InlinedModel(load_model(Archive::read(path)), false).rewrite({});
  Json places = Json::array();
  for (const DropoutPlace& place : enable_dropout(model, dropout)) {
    places.push_back({place.kind, place.recorded, place.used});
  }
  const at::NoGradGuard no_gradients;
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  at::manual_seed(seed);
  const auto logits = output_tensors(model.forward(forward_inputs(model, repeated(request), at::kCPU)));
  const at::Tensor draws = at::cat({logits.at(0), logits.at(1)}, 1).to(at::kDouble);
  const at::Tensor centred = draws - draws.mean(0);
  return {{"places", places},
          {"mean", numbers(draws.mean(0))},
          {"variance", numbers(centred.pow(2).mean(0))},
          {"fourth", numbers(centred.pow(4).mean(0))}};
}

}  // namespace
}  // namespace prune2to4

int main(int argc, char** argv) {
  try {
    if (argc < 3) throw std::runtime_error("usage: dropout_driver MODEL.pt SEED [P]");
    const std::optional<double> dropout = argc > 3 ? std::optional(std::stod(argv[3])) : std::nullopt;
    std::cout << prune2to4::run(argv[1], std::stoull(argv[2]), dropout, nlohmann::json::parse(std::cin))
              << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "[dropout_driver] " << error.what() << '\n';
    return 1;
  }
}
