// SPDX-License-Identifier: Apache-2.0
#include "model/traced_model.h"

#include <cstdlib>

#include "prune2to4/archive.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

// On another machine than the one that built the tests, tests/data may lie elsewhere.
std::string folder() {
  const char* elsewhere = std::getenv("PRUNE2TO4_TEST_MODELS");
  return elsewhere == nullptr ? PRUNE2TO4_TEST_MODELS : elsewhere;
}

}  // namespace

torch::jit::Module traced_model(const std::string& name, at::ScalarType dtype) {
  Archive archive = Archive::read(folder() + "/" + name + ".pt");
  gate_archive(archive, false);
  InlinedModel model(load_model(std::move(archive)), false);
  model.to(dtype);
  return model.rewrite({});
}

}  // namespace prune2to4
