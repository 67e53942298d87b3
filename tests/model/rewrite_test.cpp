// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/import.h>

#include <catch2/catch.hpp>
#include <set>

#include "model/small_models.h"
#include "prune2to4/model.h"

namespace prune2to4 {
namespace {

std::set<std::string> parameter_names(const torch::jit::Module& module) {
  std::set<std::string> names;
  for (const auto& parameter : module.named_parameters()) names.insert(parameter.name);
  return names;
}

int count_nodes(const torch::jit::Module& module, const std::string& kind) {
  const std::string text = module.get_method("forward").graph()->toString();
  int count = 0;
  for (size_t at = text.find(kind + "("); at != std::string::npos; at = text.find(kind + "(", at + 1))
    ++count;
  return count;
}

}  // namespace

CATCH_TEST_CASE("rewriting nothing keeps outputs, names, buffers and signature") {
  torch::jit::Module source = encoder_module();
  const InlinedModel model(source, false);
  torch::jit::Module copy = model.rewrite({});
  const at::Tensor input = at::randn({5, 8});
  CATCH_CHECK(at::equal(copy.forward({input}).toTuple()->elements()[0].toTensor(),
                        source.forward({input}).toTuple()->elements()[0].toTensor()));
  CATCH_CHECK(parameter_names(copy) == parameter_names(source));
  CATCH_CHECK(copy.buffers().size() == source.buffers().size());
  const auto& schema = copy.get_method("forward").function().getSchema();
  CATCH_REQUIRE(schema.arguments().size() == 3);
  CATCH_CHECK(schema.arguments()[1].name() == "x");
  CATCH_CHECK(schema.arguments()[2].name() == "scale");
  CATCH_CHECK(schema.arguments()[2].default_value()->toDouble() == 2.0);
}

CATCH_TEST_CASE("packed linears give the same output from the rewritten graph, saved and loaded") {
  torch::jit::Module source = encoder_module();
  const InlinedModel model(source, false);
  torch::jit::Module sparse = model.rewrite(pack_all(model));
  CATCH_CHECK(count_nodes(sparse, "aten::linear") == 0);
  CATCH_CHECK(count_nodes(sparse, "prune2to4::linear") == 5);
  CATCH_CHECK(sparse.named_parameters().size() == 3);  // the biases

  std::stringstream archive;
  sparse.save(archive);
  torch::jit::Module loaded = torch::jit::load(archive);
  for (const double scale : {0.5, 2.0}) {
    const at::Tensor input = at::randn({5, 8});
    const at::Tensor expected = source.forward({input, scale}).toTuple()->elements()[0].toTensor();
    CATCH_CHECK(at::equal(sparse.forward({input, scale}).toTuple()->elements()[0].toTensor(), expected));
    CATCH_CHECK(at::equal(loaded.forward({input, scale}).toTuple()->elements()[0].toTensor(), expected));
  }
}

CATCH_TEST_CASE("of two modules of one type, only one may be packed") {
  torch::jit::Module source = encoder_module();
  const InlinedModel model(source, false);
  auto packed = pack_all(model);
  packed.erase("head.weight");
  packed.erase("encoder.layer.first.weight");
  torch::jit::Module sparse = model.rewrite(packed);
  const at::Tensor input = at::randn({5, 8});
  CATCH_CHECK(at::equal(sparse.forward({input}).toTuple()->elements()[0].toTensor(),
                        source.forward({input}).toTuple()->elements()[0].toTensor()));
  CATCH_CHECK(parameter_names(sparse).contains("head.weight"));
  CATCH_CHECK_FALSE(parameter_names(sparse).contains("encoder.layer.second.weight"));
}

CATCH_TEST_CASE("the rewritten graph follows the device of its input") {
  const InlinedModel model(encoder_module(), false);
  const torch::jit::Module sparse = model.rewrite(pack_all(model));
  const std::string graph = sparse.get_method("forward").graph()->toString();
  CATCH_CHECK(graph.find("prim::device") != std::string::npos);
  CATCH_CHECK(graph.find("value=\"cpu\"") == std::string::npos);
}

CATCH_TEST_CASE("the rewritten model converts with module.to") {
  torch::jit::Module source = encoder_module();
  const InlinedModel model(source, false);
  torch::jit::Module sparse = model.rewrite(pack_all(model));
  sparse.to(at::kBFloat16);
  const at::Tensor input = at::randn({5, 8}).to(at::kBFloat16);
  const at::Tensor output = sparse.forward({input}).toTuple()->elements()[0].toTensor();
  source.to(at::kBFloat16);
  CATCH_CHECK(at::equal(output, source.forward({input}).toTuple()->elements()[0].toTensor()));
}

CATCH_TEST_CASE("a rewritten model can be copied deeply and frozen") {
  torch::jit::Module source = encoder_module();
  const InlinedModel model(source, false);
  torch::jit::Module sparse = model.rewrite(pack_all(model));
  const at::Tensor input = at::randn({5, 8});
  const at::Tensor expected = sparse.forward({input}).toTuple()->elements()[0].toTensor();
  torch::jit::Module copy = sparse.deepcopy();
  CATCH_CHECK(at::equal(copy.forward({input}).toTuple()->elements()[0].toTensor(), expected));
  torch::jit::Module frozen = torch::jit::freeze(sparse);
  CATCH_CHECK(at::allclose(frozen.forward({input}).toTuple()->elements()[0].toTensor(), expected));
}

}  // namespace prune2to4
