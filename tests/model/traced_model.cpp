// SPDX-License-Identifier: Apache-2.0
#include "model/traced_model.h"

#include "prune2to4/archive.h"
#include "prune2to4/model.h"

namespace prune2to4 {

torch::jit::Module traced_model(const std::string& name, at::ScalarType dtype) {
  Archive archive = Archive::read(PRUNE2TO4_TEST_MODELS "/" + name + ".pt");
  gate_archive(archive, false);
  InlinedModel model(load_model(std::move(archive)), false);
  model.to(dtype);
  return model.rewrite({});
}

}  // namespace prune2to4
