// SPDX-License-Identifier: Apache-2.0
#include "core/code_scan.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "core/printable.h"
#include "core/script_tokens.h"

namespace prune2to4 {
namespace {

using Kind = ScriptToken::Kind;
using Tokens = std::span<const ScriptToken>;

struct DeniedName {
  std::string_view name;
  std::string_view reason;
};

constexpr std::array<DeniedName, 6> kDeniedNames = {{
    {"save", "writes files"},
    {"from_file", "reads and writes files"},
    {"load_tensor", "reads files"},
    {"rpc_async", "runs on other machines"},
    {"rpc_sync", "runs on other machines"},
    {"rpc_remote", "runs on other machines"},
}};
constexpr std::array<std::string_view, 3> kNamespaces = {"prim", "aten", "prune2to4"};
constexpr std::string_view kSetState = "__setstate__";
constexpr std::string_view kClasses = "__torch__.torch.classes";
constexpr std::string_view kOurClass = "__torch__.torch.classes.prune2to4.PackedWeight";

const DeniedName* denied(std::string_view name) {
  const auto* found = std::find_if(kDeniedNames.begin(), kDeniedNames.end(),
                                   [&](const DeniedName& entry) { return entry.name == name; });
  return found == kDeniedNames.end() ? nullptr : found;
}

bool is_dot(const ScriptToken& token) { return token.kind == Kind::kOther && token.text == "."; }

using Names = std::vector<std::string_view>;

// The names that dots join, from tokens[0] on, which is a name.
Names dotted(Tokens tokens) {
  Names names = {tokens[0].text};
  for (size_t i = 1; i + 1 < tokens.size() && is_dot(tokens[i]) && tokens[i + 1].kind == Kind::kName;
       i += 2) {
    names.push_back(tokens[i + 1].text);
  }
  return names;
}

std::string join(const Names& names) {
  std::string text(names.front());
  for (size_t i = 1; i < names.size(); ++i) text += "." + std::string(names[i]);
  return text;
}

// `names`: a chain that does not itself follow a dot.
std::string root_fault(const Names& names) {
  if (names[0] == "ops" && (names.size() == 1 || std::find(kNamespaces.begin(), kNamespaces.end(),
                                                           names[1]) == kNamespaces.end())) {
    return "is an operator that is neither LibTorch's own nor prune2to4's";
  }
  if (names[0] == "torch" && names.size() == 1) return "gives LibTorch's operators another name";
  if (names[0] != "__torch__") return {};
  const bool cut_short = names.size() == 1 || (names.size() == 2 && names[1] == "torch");
  return cut_short || is_foreign_class(join(names)) ? "is a custom class that is not prune2to4's"
                                                    : std::string();
}

std::string name_fault(Tokens tokens, bool after_dot) {
  const std::string& name = tokens[0].text;
  if (name == kSetState) return "runs while the model is loaded";
  if (!after_dot) return root_fault(dotted(tokens));
  const DeniedName* entry = denied(name);
  return entry == nullptr ? std::string() : std::string(entry->reason);
}

std::string string_fault(const std::string& value) {
  if (value == kSetState) return "as an attribute's name runs while the model is loaded";
  const DeniedName* entry = denied(value);
  return entry == nullptr ? std::string() : "as an attribute's name " + std::string(entry->reason);
}

}  // namespace

std::string_view foreign_origin(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (has("quantized."))
    return "the model is quantised (torch.ao.quantization); export the floating-point model";
  if (has("xnnpack.") || has("prepacked.")) {
    return "torch.utils.mobile_optimizer made it; export the model as it was before optimize_for_mobile";
  }
  if (has("mkldnn")) return "torch.jit.optimize_for_inference made it; export the model as it was before";
  return {};
}

bool is_foreign_class(std::string_view qualified_name) {
  if (qualified_name == kOurClass || qualified_name.starts_with(std::string(kOurClass) + ".")) return false;
  return qualified_name == kClasses || qualified_name.starts_with(std::string(kClasses) + ".");
}

std::optional<CodeFinding> scan_code(std::string_view source) {
  const std::vector<ScriptToken> all = script_tokens(source);
  for (size_t i = 0; i < all.size(); ++i) {
    const Tokens rest = Tokens(all).subspan(i);
    const bool after_dot = i > 0 && is_dot(all[i - 1]);
    std::string shown = rest[0].text;
    std::string fault;
    if (rest[0].kind == Kind::kBad) return CodeFinding{rest[0].line, "a string that does not end"};
    if (rest[0].kind == Kind::kString) {
      fault = string_fault(shown);
    } else if (rest[0].kind == Kind::kName) {
      fault = name_fault(rest, after_dot);
      if (!after_dot) shown = join(dotted(rest));
      if (after_dot && i > 1 && all[i - 2].kind == Kind::kName) shown = all[i - 2].text + "." + shown;
    }
    if (!fault.empty()) return CodeFinding{rest[0].line, "\"" + printable(shown) + "\" " + fault};
  }
  return std::nullopt;
}

}  // namespace prune2to4
