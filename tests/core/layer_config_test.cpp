// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/layer_config.h"

#include <catch2/catch.hpp>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Kind = LayerRule::Kind;

LayerConfig parse(const std::string& text) { return parse_layer_config(text, "layers.json"); }

std::string refusal(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
  return "accepted";
}

// A config whose only entry has this text.
std::string with_entry(const std::string& entry) { return R"({"version": 1, "layers": [)" + entry + "]}"; }

CATCH_TEST_CASE("without a config the default selection is plain 2:4", "[layer_config]") {
  const LayerConfig config = default_layer_config();
  CATCH_CHECK(config.rules.empty());
  CATCH_CHECK(config.default_selection == MaskOptions{});
  CATCH_CHECK(config.source.empty());
}

CATCH_TEST_CASE("a config without layers changes the default selection's mask", "[layer_config]") {
  const std::string text = R"({"version": 1, "defaults": {"norm": 1, "ties": "torch"}})";
  const LayerConfig config = parse(text);
  CATCH_CHECK(config.rules.empty());
  CATCH_REQUIRE(config.default_selection);
  CATCH_CHECK(*config.default_selection == MaskOptions{.norm = 1, .ties = Ties::kTorch});
  CATCH_CHECK(config.source == text);
}

CATCH_TEST_CASE("entries become rules in order, their keys over the defaults", "[layer_config]") {
  const LayerConfig config = parse(R"({
    "$schema": "layer_config.schema.json",
    "version": 1,
    "defaults": {"sparsity_level": 0.5, "sparse_block_shape": [4, 4], "zeros_per_block": 8},
    "layers": [
      {"tensor_fqn": "a.weight"},
      {"match": "b.*", "sparsity_level": -1, "norm": 1, "skip": false},
      {"regex": "c\\d+", "sparse_block_shape": [1, 4], "zeros_per_block": 3, "ties": "torch"},
      {"match": "*", "skip": true}
    ]})");
  CATCH_CHECK_FALSE(config.default_selection);
  CATCH_REQUIRE(config.rules.size() == 4);
  const auto is = [&config](size_t i, Kind kind, const std::string& pattern, const MaskOptions& mask) {
    const LayerRule& rule = config.rules[i];
    return rule.kind == kind && rule.pattern == pattern && rule.mask == mask && !rule.skip &&
           rule.json_path == "/layers/" + std::to_string(i);
  };
  const MaskOptions defaults{.sparsity_level = 0.5, .sparse_block_shape = {4, 4}, .zeros_per_block = 8};
  CATCH_CHECK(is(0, Kind::kName, "a.weight", defaults));
  MaskOptions second = defaults;
  second.sparsity_level = -1;
  second.norm = 1;
  CATCH_CHECK(is(1, Kind::kGlob, "b.*", second));
  const MaskOptions third{.sparsity_level = 0.5, .zeros_per_block = 3, .ties = Ties::kTorch};
  CATCH_CHECK(is(2, Kind::kRegex, "c\\d+", third));
  CATCH_CHECK(config.rules[3].skip);
}

CATCH_TEST_CASE("PyTorch's plain list is accepted", "[layer_config]") {
  const LayerConfig config =
      parse(R"([{"tensor_fqn": "a.weight"}, {"tensor_fqn": "b.weight", "zeros_per_block": 1}])");
  CATCH_REQUIRE(config.rules.size() == 2);
  CATCH_CHECK(config.rules[0].mask == MaskOptions{});
  CATCH_CHECK(config.rules[1].mask.zeros_per_block == 1);
  CATCH_CHECK(config.rules[1].json_path == "/1");
}

CATCH_TEST_CASE("zeros may be all or none of a block, and a level any number", "[layer_config]") {
  for (const char* keys : {R"("zeros_per_block": 0)", R"("zeros_per_block": 4)", R"("sparsity_level": 2)",
                           R"("sparsity_level": -0.5e1)",
                           R"("sparse_block_shape": [65536, 65536], "zeros_per_block": 4294967296)"}) {
    CATCH_CHECK(refusal(with_entry(std::string(R"({"match": "*", )") + keys + "}")) == "accepted");
  }
}

struct Malformed {
  const char* text;
  const char* message;  // a part of it
};

void check_refusals(const std::vector<Malformed>& cases, const std::string& before,
                    const std::string& after) {
  for (const auto& [text, message] : cases) {
    CATCH_CAPTURE(text);
    CATCH_CHECK_THAT(refusal(before + text + after),
                     Catch::StartsWith("[layers] layers.json:") && Catch::Contains(message));
  }
}

CATCH_TEST_CASE("malformed documents are refused with the place and the reason", "[layer_config]") {
  check_refusals(
      {
          {"", ":1:1: syntax error while parsing value - unexpected end of input"},
          {"{", ":1:2: syntax error while parsing object key - unexpected end of input"},
          {"{\n\"version\": 1\n\"layers\": []}",
           ":3:8: syntax error while parsing object - unexpected string"},
          {R"({"version": 1,})", ":1:15: syntax error while parsing object key - unexpected '}'"},
          {R"({"version": 1} x)", ":1:16: syntax error while parsing value - invalid literal"},
          {R"({"version": 1 // one)", ":1:15: syntax error"},
          {R"({"version": NaN})", ":1:13: syntax error while parsing value - invalid literal"},
          {R"({"version": 1e999})", " /version: the number is too large for a double"},
          {R"({"version": 1, "version": 1})", " /version: the key appears twice"},
          {"7", " top level: must be an object {\"version\": 1, ...} or PyTorch's list"},
          {"null", " top level: must be an object"},
          {R"("layers")", " top level: must be an object"},
          {"{}", R"( top level: the key "version" is missing)"},
          {R"({"layers": [{"match": "*"}]})", R"( top level: the key "version" is missing)"},
          {R"({"version": 2})", " /version: must be 1; found 2"},
          {R"({"version": "1"})", R"( /version: must be 1; found "1")"},
          {R"({"version": null})", " /version: must be 1; found null"},
          {R"({"version": 1, "layer": []})", R"( /layer: unknown key; did you mean "layers"?)"},
          {R"({"version": 1, "default": {}})", R"( /default: unknown key; did you mean "defaults"?)"},
          {R"({"version": 1, "a/b~": 1})", " /a~1b~0: unknown key (known here:"},
          {R"({"version": 1, "$schema": 1})", " /$schema: must be a string; found 1"},
          {R"({"version": 1, "layers": {}})", " /layers: must be an array; found an object"},
          {R"({"version": 1, "layers": null})", " /layers: must be an array; found null"},
          {R"({"version": 1, "layers": []})", " /layers: must not be empty"},
          {R"({"version": 1, "defaults": []})", " /defaults: must be an object; found an array"},
          {R"({"version": 1, "defaults": {"skip": true}})", " /defaults/skip: unknown key"},
          {R"({"version": 1, "defaults": {"norm": "2"}})",
           R"( /defaults/norm: must be one of 1, 2; found "2")"},
          {R"({"version": 1, "defaults": {"zeros_per_block": 5}})",
           " /defaults/zeros_per_block: 5 zeros are more"},
          {R"({"version": 1, "defaults": {"sparse_block_shape": [8, 8]}})",
           R"( /defaults/sparse_block_shape: a block of [8, 8] needs "zeros_per_block" too)"},
          {R"({"version": 1, "defaults": {"zeros_per_block": 9}, "layers": [{"match": "*"}]})",
           " /defaults/zeros_per_block: 9 zeros are more than the 4 elements of a block of [1, 4]"},
          {"[]", " top level: must not be empty"},
          {"[3]", " /0: must be an object; found 3"},
          {"[[]]", " /0: must be an object; found an array"},
          {"[{}]", R"( /0: the key "tensor_fqn" is missing)"},
          {R"([{"tensor_fqn": "a"}, {"match": "b"}])", R"( /1/match: unknown key (known here: "norm")"},
          {R"([{"tensor_fqn": "a", "skip": true}])", " /0/skip: unknown key"},
          {R"([{"tensor_fqn": "a", "module": 1}])", " /0/module: unknown key"},
          {R"([{"tensor_fqn": "a", "tensor_fqn": "a"}])", " /0/tensor_fqn: the key appears twice"},
          {R"([{"tensor_fqn": "a", "zeros_per_block": 5}])", " /0/zeros_per_block: 5 zeros are more"},
      },
      "", "");
}

CATCH_TEST_CASE("malformed entries are refused with the place and the reason", "[layer_config]") {
  check_refusals(
      {
          {"5", " /layers/1: must be an object; found 5"},
          {R"("a.weight")", R"( /layers/1: must be an object; found the string "a.weight")"},
          {"{}", R"( /layers/1: needs exactly one of the keys "tensor_fqn", "match", "regex"; it has none)"},
          {R"({"norm": 1})", " /layers/1: needs exactly one of the keys"},
          {R"({"match": "a", "regex": "b"})",
           R"( /layers/1: needs exactly one of the keys "tensor_fqn", "match", )"
           R"("regex"; it has "match", "regex")"},
          {R"({"tensor_fqn": "a", "match": "b", "regex": "c"})", R"(it has "tensor_fqn", "match", "regex")"},
          {R"({"tensor_fqm": "a"})", R"( /layers/1/tensor_fqm: unknown key; did you mean "tensor_fqn"?)"},
          {R"({"match": "a", "sparsity_levl": 1})",
           R"(/sparsity_levl: unknown key; did you mean "sparsity_level"?)"},
          {R"({"match": "a", "Norm": 1})", R"( /layers/1/Norm: unknown key; did you mean "norm"?)"},
          {R"({"match": "a", "": 1})", " /layers/1/: unknown key (known here:"},
          {R"({"match": "a", "match": "b"})", " /layers/1/match: the key appears twice"},
          {R"({"match": ""})", " /layers/1/match: must not be empty"},
          {R"({"match": 7})", " /layers/1/match: must be a string; found 7"},
          {R"({"match": ["a"]})", " /layers/1/match: must be a string; found an array"},
          {R"({"match": "a\u0000b"})", " /layers/1/match: holds a NUL character"},
          {R"({"regex": "a\u0000b"})", " /layers/1/regex: holds a NUL character"},
          {R"({"tensor_fqn": null})", " /layers/1/tensor_fqn: must be a string; found null"},
          {R"({"regex": "(a"})", " /layers/1/regex: bad regular expression: missing ): (a"},
          {R"({"regex": "a**"})", " /layers/1/regex: bad regular expression: bad repetition operator: **"},
          {R"({"regex": "[z-a]"})",
           " /layers/1/regex: bad regular expression: invalid character class range: z-a"},
          {R"_({"regex": "(?=a)"})_", " /layers/1/regex: bad regular expression: invalid perl operator"},
          {R"({"regex": "a{1001}"})",
           " /layers/1/regex: bad regular expression: invalid repetition size: {1001}"},
          {R"({"match": "a", "skip": 1})", " /layers/1/skip: must be a boolean; found 1"},
          {R"({"match": "a", "skip": true, "norm": 1})",
           R"( /layers/1/norm: has no effect beside "skip": true)"},
          {R"({"match": "a", "skip": true, "sparsity_level": 0})",
           " /layers/1/sparsity_level: has no effect"},
          {R"({"match": "a", "sparsity_level": "1"})",
           R"(/sparsity_level: must be a number; found the string "1")"},
          {R"({"match": "a", "sparsity_level": true})", "/sparsity_level: must be a number; found true"},
          {R"({"match": "a", "sparsity_level": -1e999})", "/sparsity_level: the number is too large"},
          {R"({"match": "a", "sparse_block_shape": 4})", "/sparse_block_shape: must be an array; found 4"},
          {R"({"match": "a", "sparse_block_shape": []})",
           "/sparse_block_shape: must have exactly 2 items; found 0"},
          {R"({"match": "a", "sparse_block_shape": [1, 2, 3]})", "must have exactly 2 items; found 3"},
          {R"({"match": "a", "sparse_block_shape": [0, 4]})",
           "/sparse_block_shape/0: must be at least 1; found 0"},
          {R"({"match": "a", "sparse_block_shape": [1, -4]})",
           "/sparse_block_shape/1: must be at least 1; found -4"},
          {R"({"match": "a", "sparse_block_shape": [1, 4.5]})",
           "/sparse_block_shape/1: must be an integer; found 4.5"},
          {R"({"match": "a", "sparse_block_shape": [1, 65537]})",
           "/sparse_block_shape/1: must be at most 65536"},
          {R"({"match": "a", "sparse_block_shape": [2, 2]})",
           R"( /layers/1/sparse_block_shape: a block of [2, 2] needs "zeros_per_block" too)"},
          {R"({"match": "a", "sparse_block_shape": [2, 2], "zeros_per_block": 5})",
           " /layers/1/zeros_per_block: 5 zeros are more than the 4 elements of a block of [2, 2]"},
          {R"({"match": "a", "zeros_per_block": -1})", "/zeros_per_block: must be at least 0; found -1"},
          {R"({"match": "a", "zeros_per_block": 2.5})", "/zeros_per_block: must be an integer; found 2.5"},
          {R"({"match": "a", "zeros_per_block": 99999999999999999999})",
           "/zeros_per_block: must be an integer"},
          {R"({"match": "a", "norm": 3})", " /layers/1/norm: must be one of 1, 2; found 3"},
          {R"({"match": "a", "norm": 1.5})", " /layers/1/norm: must be one of 1, 2; found 1.5"},
          {R"({"match": "a", "norm": null})", " /layers/1/norm: must be one of 1, 2; found null"},
          {R"({"match": "a", "ties": "Torch"})",
           R"(/ties: must be one of "lowest_index", "torch"; found "Torch")"},
      },
      R"({"version": 1, "layers": [{"match": "*"}, )", "]}");
}

CATCH_TEST_CASE("very long patterns are refused", "[layer_config]") {
  CATCH_CHECK_THAT(refusal(with_entry(R"({"match": ")" + std::string(1025, 'a') + R"("})")),
                   Catch::Contains("/layers/0/match: must have at most 1024 characters; found 1025"));
}

CATCH_TEST_CASE("an unreadable config is an error of the file system", "[layer_config]") {
  try {
    read_layer_config("no/such/layers.json");
    CATCH_FAIL("read");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
  }
}

CATCH_TEST_CASE("the configs that come with the tool can be read", "[layer_config]") {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../configs";
  const LayerConfig bert = read_layer_config(folder / "bert_2to4.json");
  CATCH_REQUIRE(bert.rules.size() == 1);
  CATCH_CHECK(bert.rules[0].mask == MaskOptions{});
  CATCH_CHECK(read_layer_config(folder / "ffn_only.json").rules.size() == 3);
}

}  // namespace
}  // namespace prune2to4
