// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/tokenized_squad.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <optional>
#include <random>
#include <utility>

#include "hostile_squad_files.h"
#include "prune2to4/error.h"
#include "squad_file.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

class SquadOnDisk {
 public:
  explicit SquadOnDisk(std::string_view bytes) { rewrite(bytes); }
  void rewrite(std::string_view bytes) const { write_bytes(path(), bytes); }
  std::filesystem::path path() const { return folder_ / "squad.safetensors"; }

  TokenizedSquad read() const { return TokenizedSquad::read(path()); }
  // "accepted", or the message behind the file's name.
  std::string refusal() const {
    try {
      read();
      return "accepted";
    } catch (const Error& error) {
      return message(error);
    }
  }
  std::string message(const Error& error) const {
    const std::string start = "[data] " + path().string() + ": ";
    CATCH_CHECK(error.status() == ExitStatus::kData);
    CATCH_CHECK_THAT(error.what(), Catch::StartsWith(start));
    return std::string(error.what()).substr(start.size());
  }

 private:
  TemporaryFolder folder_;
};

std::string text_at(const SquadExample& example, std::span<const int32_t> offsets, int32_t token) {
  const auto at = 2 * static_cast<size_t>(token);
  return std::string(example.context.substr(static_cast<size_t>(offsets[at]),
                                            static_cast<size_t>(offsets[at + 1] - offsets[at])));
}

// Reads all there is, as the sanitizers like to see; whether it is what read() promises.
bool consistent(const TokenizedSquad& squad) {
  const auto count = static_cast<int32_t>(squad.examples().size());
  int32_t before = -1;
  bool good = squad.windows() > 0;
  for (int64_t row = 0; row < squad.windows(); ++row) {
    const int32_t length = squad.length(row);
    good = good && length >= 1 && length <= squad.width();
    good = good && (squad.example(row) == before || squad.example(row) == before + 1);
    before = squad.example(row);
    if (!good || before < 0 || before >= count) return false;
    const SquadExample& example = squad.examples()[static_cast<size_t>(before)];
    const auto offsets = squad.offsets(row);
    good = offsets.size() == 2 * static_cast<size_t>(length) &&
           squad.token_type_ids(row).size() * 2 == offsets.size();
    for (const int32_t id : squad.input_ids(row)) good = good && id >= 0;
    std::vector<bool> in_context;
    for (int32_t token = 0; token < length; ++token) {
      const auto at = 2 * static_cast<size_t>(token);
      in_context.push_back(offsets[at] != -1);
      if (!in_context.back()) continue;
      if (offsets[at] < 0 || offsets[at] > offsets[at + 1]) return false;
      const std::string text = text_at(example, offsets, token);
      good = good && text.size() == static_cast<size_t>(offsets[at + 1] - offsets[at]);
      good = good && (text.empty() || (static_cast<unsigned char>(text[0]) & 0xC0) != 0x80);
    }
    if (!squad.labelled() || (squad.start(row) == 0 && squad.end(row) == 0)) continue;
    good = good && squad.start(row) <= squad.end(row) && !example.answers.empty() &&
           in_context.at(static_cast<size_t>(squad.start(row))) &&
           in_context.at(static_cast<size_t>(squad.end(row)));
  }
  size_t letters = 0;
  for (const SquadExample& example : squad.examples()) {
    for (const std::string_view text : {example.id, example.question, example.context}) {
      letters = std::accumulate(text.begin(), text.end(), letters);
    }
    for (const std::string_view text : example.answers) {
      letters = std::accumulate(text.begin(), text.end(), letters);
    }
  }
  return good && letters > 0 && before + 1 == count;
}

CATCH_TEST_CASE("a tokenized file gives its windows and examples", "[tokenized_squad]") {
  const TokenizedSquad squad = SquadOnDisk(small_squad_file().bytes()).read();
  CATCH_CHECK(squad.windows() == 5);
  CATCH_CHECK(squad.width() == 8);
  CATCH_CHECK(squad.pad_token_id() == 0);
  CATCH_CHECK(squad.version() == SquadVersion::k20);
  CATCH_CHECK(squad.labelled());
  CATCH_REQUIRE(squad.examples().size() == 4);
  const SquadExample& first = squad.examples()[0];
  CATCH_CHECK(first.id == "q0");
  CATCH_CHECK(first.question == "Where does Zoë live?");
  CATCH_CHECK(first.context == "Zoë lives in Köln.");
  CATCH_CHECK(std::vector(first.answers.begin(), first.answers.end()) ==
              std::vector<std::string_view>{"Köln", "in Köln"});
  CATCH_CHECK(squad.examples()[2].answers.empty());
  CATCH_CHECK(squad.examples()[1].context.data() == first.context.data());  // one copy of a shared context

  CATCH_CHECK(squad.length(1) == 7);
  CATCH_CHECK(squad.example(1) == 0);
  const auto ids = squad.input_ids(1);
  CATCH_CHECK(std::vector(ids.begin(), ids.end()) == std::vector{1, 3, 2, 21, 24, 29, 2});
  const auto types = squad.token_type_ids(1);
  CATCH_CHECK(std::vector(types.begin(), types.end()) == std::vector<uint8_t>{0, 0, 0, 1, 1, 1, 1});
  CATCH_CHECK(squad.offsets(1).size() == 14);
  CATCH_CHECK(text_at(first, squad.offsets(1), squad.start(1)) == "Köln");
  CATCH_CHECK(squad.end(1) == 4);
  CATCH_CHECK(consistent(squad));
}

CATCH_TEST_CASE("labels may be missing, and a moved file stays readable", "[tokenized_squad]") {
  SquadFile file = small_squad_file();
  file.remove("start");
  file.remove("end");
  file.metadata["squad_version"] = "1.1";
  TokenizedSquad first = SquadOnDisk(file.bytes()).read();
  CATCH_CHECK_FALSE(first.labelled());
  CATCH_CHECK(first.version() == SquadVersion::k11);
  TokenizedSquad second = std::move(first);
  CATCH_CHECK(consistent(second));
  second = SquadOnDisk(small_squad_file().bytes()).read();
  CATCH_CHECK(consistent(second));
}

CATCH_TEST_CASE("what JSON allows in the examples is read as it means", "[tokenized_squad]") {
  SquadFile file = small_squad_file();
  file.set_examples(
      R"({"examples": [{"answers": ["\u004b\u00f6ln"], "context": 0, "question": "\"\\\n", "id": ""},
{"id": "\u0000\ud83d\ude00", "question": "", "context": 0, "answers": ["a", "b", "c"]},
{"id": "q2", "question": "", "context": 2, "answers": []},
{"id": "q3", "question": "", "context": 2, "answers": [""]}],
"contexts": ["Zo\u00eb lives in K\u00f6ln.", "", "Tea is hot."]})");
  const TokenizedSquad squad = SquadOnDisk(file.bytes()).read();
  CATCH_CHECK(squad.examples()[0].context == "Zoë lives in Köln.");
  CATCH_CHECK(squad.examples()[0].answers[0] == "Köln");
  CATCH_CHECK(squad.examples()[0].question == "\"\\\n");
  CATCH_CHECK(squad.examples()[0].id.empty());
  CATCH_CHECK(squad.examples()[1].id == std::string_view("\0\xF0\x9F\x98\x80", 5));
  CATCH_CHECK(squad.examples()[1].answers[2] == "c");
  CATCH_CHECK(squad.examples()[3].context == "Tea is hot.");
}

CATCH_TEST_CASE("offsets may end where the context ends, and be empty", "[tokenized_squad]") {
  SquadFile file = small_squad_file();
  for (const size_t index : {size_t{26}, size_t{27}}) file.tensor("offsets").set<int32_t>(index, 20);
  CATCH_CHECK(consistent(SquadOnDisk(file.bytes()).read()));
}

CATCH_TEST_CASE("more than a hundred hostile files are refused, each with the place", "[tokenized_squad]") {
  const std::vector<HostileFile> files = hostile_squad_files();
  CATCH_REQUIRE(files.size() > 100);
  const SquadOnDisk disk("");
  for (const auto& [bytes, message] : files) {
    disk.rewrite(bytes);
    CATCH_CHECK_THAT(disk.refusal(),
                     Catch::StartsWith(message) &&
                         Catch::EndsWith("; write the file again with scripts/tokenize_squad.py"));
  }
}

CATCH_TEST_CASE("500 truncations of a tokenized file are all refused", "[tokenized_squad]") {
  const std::string bytes = small_squad_file().bytes();
  const SquadOnDisk disk("");
  for (size_t i = 0; i < 500; ++i) {
    const size_t size = i < 100 ? i : bytes.size() * (i - 100) / 400;
    disk.rewrite(bytes.substr(0, size));
    CATCH_REQUIRE(disk.refusal() != "accepted");
  }
}

CATCH_TEST_CASE("1000 flipped bytes are refused or leave a consistent file", "[tokenized_squad]") {
  const std::string bytes = small_squad_file().bytes();
  std::mt19937 random(4);
  const SquadOnDisk disk("");
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string broken = bytes;
    broken[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    disk.rewrite(broken);
    bool good = true;
    try {
      good = consistent(disk.read());
    } catch (const Error& error) {
      disk.message(error);
      ++refused;
    }
    CATCH_CAPTURE(i);
    CATCH_REQUIRE(good);
  }
  CATCH_CHECK(refused > 300);
  CATCH_CHECK(refused < 1000);
}

CATCH_TEST_CASE("a file must fit its model: ids, segments and positions", "[tokenized_squad]") {
  SquadFile file = small_squad_file();
  file.metadata["pad_token_id"] = "40";
  const SquadOnDisk disk(file.bytes());
  const TokenizedSquad squad = disk.read();
  const auto misfit = [&](int64_t vocabulary, int64_t segments, int64_t positions) -> std::string {
    try {
      squad.check_fits(vocabulary, segments, positions);
      return "fits";
    } catch (const Error& error) {
      return disk.message(error);
    }
  };
  CATCH_CHECK(misfit(0, 0, 0) == "fits");
  CATCH_CHECK(misfit(41, 2, 8) == "fits");
  const std::string mend = "; tokenize with the model's own tokenizer";
  CATCH_CHECK(misfit(29, 2, 8) ==
              "tensor \"input_ids\" row 1 token 5: the id 29 is not below the model's vocabulary of 29" +
                  mend);
  CATCH_CHECK(misfit(1, 1, 1) ==
              "tensor \"input_ids\" row 0 token 0: the id 1 is not below the model's vocabulary of 1" + mend);
  CATCH_CHECK(misfit(40, 2, 8) ==
              "metadata \"pad_token_id\": the id 40 is not below the model's vocabulary of 40" + mend);
  CATCH_CHECK(misfit(0, 1, 0) ==
              "tensor \"token_type_ids\" row 0 token 3: the segment 1 is not below the model's 1" + mend);
  CATCH_CHECK(misfit(0, 0, 7) ==
              "tensor \"length\" row 2: 8 tokens are more than the model's 7 positions; tokenize with "
              "--max-length 7");
  CATCH_CHECK(misfit(0, 0, 6).starts_with("tensor \"length\" row 1: 7 tokens"));
}

CATCH_TEST_CASE("a tokenized file that is not there is an error of the file system", "[tokenized_squad]") {
  try {
    TokenizedSquad::read("no/such/squad.safetensors");
    CATCH_FAIL("read");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
    CATCH_CHECK(
        error.what() ==
        std::string(
            "[read] cannot read \"no/such/squad.safetensors\": No such file or directory; check the path"));
  }
}

}  // namespace
}  // namespace prune2to4
