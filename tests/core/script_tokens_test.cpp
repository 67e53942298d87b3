// SPDX-License-Identifier: Apache-2.0
#include "core/script_tokens.h"

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

using Kind = ScriptToken::Kind;

// Tokens in brackets: names as they are, strings quoted.
std::string shown(std::string_view source) {
  std::string text;
  for (const ScriptToken& token : script_tokens(source)) {
    text += token.kind == Kind::kString ? "['" + token.text + "']"
            : token.kind == Kind::kBad  ? "[bad]"
                                        : "[" + token.text + "]";
  }
  return text;
}

CATCH_TEST_CASE("names, dots and operators are told apart") {
  CATCH_CHECK(shown("x0 = a.b_1(c)") == "[x0][=][a][.][b_1][(][c][)]");
  CATCH_CHECK(shown("a . \\\n b") == "[a][.][b]");
  CATCH_CHECK(shown("x[..., 0]\n...\nops") == "[x][[][...][,][0][]][...][ops]");
}

CATCH_TEST_CASE("a number owns its dot") {
  CATCH_CHECK(shown("2.\nops") == "[2.][ops]");
  CATCH_CHECK(shown("1.5.save") == "[1.5][.][save]");
  CATCH_CHECK(shown("1e5.save") == "[1e5][.][save]");
  CATCH_CHECK(shown("x.save 1e-05 .5 0x1f.8p3 2j 1e") == "[x][.][save][1e-05][.5][0x1f.8p3][2j][1][e]");
}

CATCH_TEST_CASE("comments are dropped but for type comments") {
  CATCH_CHECK(shown("a # b.c \"\n d # type: (int) -> str") == "[a][d][type][:][(][int][)][-][>][str]");
}

CATCH_TEST_CASE("strings end where LibTorch ends them") {
  CATCH_CHECK(shown(R"('a"b' "c'd")") == "['a\"bc'd']");
  CATCH_CHECK(shown(R"("a\"b" x)") == "['a\"b'][x]");
  CATCH_CHECK(shown(R"("a\\" x)") == "['a\\'][x]");
  CATCH_CHECK(shown("\"\"\"a\n\"b\"\"\" x") == "['a\n\"b'][x]");
  CATCH_CHECK(shown(R"("" x)") == "[''][x]");
}

CATCH_TEST_CASE("escapes and adjacent strings give the value") {
  CATCH_CHECK(shown(R"("\x73\141v" 'e')") == "['save']");
  CATCH_CHECK(shown("\"sa\\\nve\\n\"") == "['save\n']");
}

CATCH_TEST_CASE("a string that does not end is the last token") {
  CATCH_CHECK(shown("a 'b\nc'") == "[a][bad]");
  CATCH_CHECK(shown("\"\"\"a\"") == "[bad]");
  CATCH_CHECK(shown("'a\\") == "[bad]");
}

CATCH_TEST_CASE("lines are counted through strings and comments") {
  const auto tokens = script_tokens("a # x\n\"\"\"1\n2\"\"\"\n\nb");
  CATCH_REQUIRE(tokens.size() == 3);
  CATCH_CHECK(tokens[0].line == 1);
  CATCH_CHECK(tokens[1].line == 2);
  CATCH_CHECK(tokens[2].line == 5);
}

}  // namespace
}  // namespace prune2to4
