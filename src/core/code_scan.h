// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace prune2to4 {

struct CodeFinding {
  size_t line = 0;
  std::string what;  // "\"torch.save\" writes files"
};

// The first thing in TorchScript source that may touch files, reach the network, run while the model loads,
// or call an operator library other than LibTorch's own and ours:
//
//   __setstate__               anywhere: LibTorch calls it during load
//   x.save, x.from_file, ...   after a dot, called or not, as a function can be kept in a variable first
//   ops.NS                     with NS other than prim, aten and prune2to4; `ops` alone, too
//   __torch__.torch.classes.X  other than prune2to4.PackedWeight
//   "save", ...                as a whole string, as getattr(x, "save") is x.save
//
// A filter, not a sandbox: it names what is known to reach outside in LibTorch 2.11's operator list. A
// sub-module or an attribute that happens to be called "save" is refused as well.
std::optional<CodeFinding> scan_code(std::string_view source);

// What made a model with operators or classes of a well-known foreign library, and the mend; empty: not
// known. `name`: "ops.quantized.linear_dynamic", "__torch__.torch.classes.xnnpack.LinearOpContext".
std::string_view foreign_origin(std::string_view name);

// Whether a qualified name from a pickle is a custom class that is not ours.
bool is_foreign_class(std::string_view qualified_name);

}  // namespace prune2to4
