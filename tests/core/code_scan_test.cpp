// SPDX-License-Identifier: Apache-2.0
#include "core/code_scan.h"

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

std::string found(std::string_view source) {
  const auto finding = scan_code(source);
  return finding ? "line " + std::to_string(finding->line) + ": " + finding->what : "";
}

CATCH_TEST_CASE("ordinary TorchScript is let through") {
  for (const char* source : {
           "_0 = annotate(List[int], [ops.prim.NumToTensor(torch.size(x, 0)), CONSTANTS.c0])",
           "packed : __torch__.torch.classes.prune2to4.PackedWeight",
           "_1 = ops.prune2to4.linear(x, packed, bias)",
           "linear : __torch__.torch.nn.modules.linear.___torch_mangle_5.Linear",
           "_2 = getattr(layers, \"0\")",
           "ops.prim.RaiseException(\"AssertionError: do not x.save( or ops.image.read_file\")",
           "save = torch.add(load_tensor, 1)  # torch.save(x, \"f\")",
           "_3 = torch.scaled_dot_product_attention(q, k, v, mask, 0., False)",
           "x = 2.\nops.prim.Print(x)",
           "_4 = self.operations.x",
       }) {
    CATCH_INFO(source);
    CATCH_CHECK(found(source) == "");
  }
}

CATCH_TEST_CASE("what reaches outside of the model is found") {
  for (const char* source : {
           "torch.save(x, \"f\")",
           "x.save(\"f\")",
           "(x).save(\"f\")",
           "x . # hidden\n save(\"f\")",
           "f = x.save\nf(\"f\")",
           "1.5.save(\"f\")",
           "getattr(x, \"save\")(\"f\")",
           "getattr(x, 'sa' \"\\x76e\")(\"f\")",
           "torch.from_file(\"f\")",
           "ops.aten.from_file(\"f\")",
           "ops.prim.rpc_async(a, b)",
           "ops.prim.rpc_sync(a, b)",
           "ops.image.read_file(\"f\")",
           "ops\\\n.image.read_file(\"f\")",
           "x = 2.\nops.image.read_file(\"f\")",
           "...\nops.image.read_file(\"f\")",
           "x = 0x1.\nops.image.read_file(\"f\")",
           "o = ops\no.image.read_file(\"f\")",
           "getattr(ops, \"image\").read_file(\"f\")",
           "t = torch\nt.anything(x)",
           "handle : __torch__.torch.classes.image.Handle",
           "h = __torch__.torch.classes.prune2to4.Other()",
           "c = __torch__.torch\nc.classes.image.Handle()",
           "c = __torch__\nc.torch.classes.image.Handle()",
           "c = __torch__.torch.classes\nc.image.Handle()",
           "def __setstate__(self, state: Tensor) -> NoneType:",
           "x = 'never ended\ntorch.neg(x)",
       }) {
    CATCH_INFO(source);
    CATCH_CHECK(found(source) != "");
  }
}

CATCH_TEST_CASE("a finding names line and identifier") {
  CATCH_CHECK(found("a = 1\n\nb = torch.save(a, \"f\")") == "line 3: \"torch.save\" writes files");
  CATCH_CHECK_THAT(found("\nops.image.read_file(x)"), Catch::Contains("line 2: \"ops.image.read_file\""));
  CATCH_CHECK_THAT(found("def __setstate__(self):"), Catch::Contains("line 1: \"__setstate__\""));
}

CATCH_TEST_CASE("only our custom class is not foreign") {
  CATCH_CHECK_FALSE(is_foreign_class("__torch__.torch.classes.prune2to4.PackedWeight"));
  CATCH_CHECK_FALSE(is_foreign_class("__torch__.torch.nn.modules.linear.Linear"));
  CATCH_CHECK_FALSE(is_foreign_class("__torch__.torch.classesque.X"));
  CATCH_CHECK(is_foreign_class("__torch__.torch.classes.prune2to4.PackedWeights"));
  CATCH_CHECK(is_foreign_class("__torch__.torch.classes.image.Handle"));
}

CATCH_TEST_CASE("well-known makers of foreign operators are told") {
  CATCH_CHECK(foreign_origin("ops.quantized.linear_dynamic").find("floating-point") !=
              std::string_view::npos);
  CATCH_CHECK(foreign_origin("__torch__.torch.classes.xnnpack.LinearOpContext").find("optimize_for_mobile") !=
              std::string_view::npos);
  CATCH_CHECK(foreign_origin("ops.image.read_file").empty());
}

}  // namespace
}  // namespace prune2to4
