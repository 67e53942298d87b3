// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/archive.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "model_fixture.h"
#include "prune2to4/error.h"
#include "prune2to4/hash.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

// All that matters of an archive: per record its name, and what it holds.
using Contents = std::map<std::string, std::string>;

Contents contents_of(const Archive& archive) {
  Contents contents{{"top folder", archive.top_folder()}};
  for (const ArchiveEntry& entry : archive.entries()) {
    contents["record " + entry.name] = (entry.crc_known ? "checked " : "unchecked ") + archive.text(entry);
  }
  return contents;
}

// Nothing when the archive is refused.
std::optional<Contents> read_contents(const TemporaryFile& file) {
  try {
    return contents_of(Archive::read(file.path()));
  } catch (const Error& error) {
    return std::nullopt;
  }
}

CATCH_TEST_CASE("an archive gives its records, hash and top folder") {
  const std::string bytes = build_zip(model_parts());
  const TemporaryFile file(bytes);
  const Archive archive = Archive::read(file.path());
  CATCH_CHECK(archive.top_folder() == "net");
  CATCH_CHECK(archive.bytes().size() == bytes.size());
  Sha256 digest;
  digest.update(std::as_bytes(std::span(bytes)));
  CATCH_CHECK(archive.sha256() == digest.hex());

  const ArchiveEntry* code = archive.find("code/__torch__.py");
  CATCH_REQUIRE(code != nullptr);
  CATCH_CHECK(code->deflated);
  CATCH_CHECK(archive.text(*code).starts_with("class Net(Module):"));
  const ArchiveEntry* order = archive.find("byteorder");
  CATCH_REQUIRE(order != nullptr);
  CATCH_CHECK(archive.stored(*order).size() == 6);
  CATCH_CHECK(archive.text(*order) == "little");
  CATCH_CHECK(archive.find("byteorde") == nullptr);
  CATCH_CHECK(archive.find("net/byteorder") == nullptr);
}

CATCH_TEST_CASE("a moved archive is the same archive") {
  const TemporaryFile file(build_zip(model_parts()));
  Archive archive = Archive::read(file.path());
  const Contents before = contents_of(archive);
  Archive moved = std::move(archive);
  CATCH_CHECK(contents_of(moved) == before);
}

CATCH_TEST_CASE("a wrong CRC is refused and one of 0 is taken as not computed") {
  std::vector<ZipPart> parts = model_parts();
  parts[0].crc = 0x12345678;
  CATCH_CHECK_THAT(gate_message(build_zip(parts)), Catch::Contains("data/0") && Catch::Contains("12345678"));
  parts[0].crc = 0;
  const TemporaryFile file(build_zip(parts));
  const Archive archive = Archive::read(file.path());
  CATCH_CHECK_FALSE(archive.find("data/0")->crc_known);
  CATCH_CHECK(archive.find("data/1")->crc_known);
  CATCH_CHECK(archive.find("traced_inputs/0")->crc_known);
}

CATCH_TEST_CASE("a deflated record of another size than the directory says is refused") {
  std::vector<ZipPart> parts = model_parts();
  for (const int64_t change : {-1, 1}) {
    parts[5].size = parts[5].data.size() + static_cast<uint64_t>(change);
    CATCH_CHECK_THAT(gate_message(build_zip(parts)), Catch::Contains("does not inflate"));
  }
}

CATCH_TEST_CASE("release gives back whole pages only") {
  const std::string weight(20'000, 'w');
  const TemporaryFile file(build_zip(with_record(model_parts(), "data/0", weight)));
  Archive archive = Archive::read(file.path());
  const std::string before(reinterpret_cast<const char*>(archive.bytes().data()), archive.bytes().size());
  archive.release(100, 4000);  // holds no whole page
  archive.release(archive.bytes().size() - 10, 1'000'000);
  const auto text = [&] {
    return std::string(reinterpret_cast<const char*>(archive.bytes().data()), archive.bytes().size());
  };
  CATCH_CHECK(text() == before);
  archive.release(100, 15'000);
  CATCH_CHECK(text().substr(4096, 8192) == std::string(8192, '\0'));
  CATCH_CHECK(text().substr(0, 4096) == before.substr(0, 4096));
  CATCH_CHECK(text().substr(12'288) == before.substr(12'288));
}

CATCH_TEST_CASE("500 truncations are all refused") {
  const std::string bytes = build_zip(model_parts());
  const TemporaryFile file(bytes);
  CATCH_REQUIRE(read_contents(file).has_value());
  size_t refused = 0;
  for (size_t i = 0; i < 500; ++i) {
    file.rewrite(bytes.substr(0, bytes.size() * i / 500));
    if (!read_contents(file)) ++refused;
  }
  std::cout << "truncations refused: " << refused << " of 500\n";
  CATCH_CHECK(refused == 500);
}

// Flips one bit in [first, last) `count` times; returns how many went unnoticed and changed something.
size_t silent_flips(const std::string& bytes, size_t first, size_t last, size_t count, size_t& refused) {
  const TemporaryFile file(bytes);
  const std::optional<Contents> before = read_contents(file);
  CATCH_REQUIRE(before.has_value());
  std::mt19937 random(7);
  std::uniform_int_distribution<size_t> bit(first * 8, last * 8 - 1);
  size_t silent = 0;
  for (size_t i = 0; i < count; ++i) {
    std::string flipped = bytes;
    const size_t at = bit(random);
    flipped[at / 8] = static_cast<char>(flipped[at / 8] ^ static_cast<char>(1U << (at % 8)));
    file.rewrite(flipped);
    const std::optional<Contents> after = read_contents(file);
    if (!after) ++refused;
    if (after && after != before) ++silent;
  }
  return silent;
}

CATCH_TEST_CASE("2,000 bit flips change nothing in silence") {
  const std::string weight(4000, '\x3e');
  const std::string bytes = build_zip(with_record(model_parts(), "data/0", weight));
  const size_t start = bytes.find(weight);
  size_t in_weights = 0;
  size_t anywhere = 0;
  size_t silent = silent_flips(bytes, start, start + weight.size(), 1000, in_weights);
  silent += silent_flips(bytes, start + weight.size(), bytes.size(), 1000, anywhere);
  std::cout << "bit flips in weights refused: " << in_weights << " of 1000; elsewhere: " << anywhere
            << " of 1000, the others in dates, versions and padding; silent changes: " << silent << "\n";
  CATCH_CHECK(in_weights == 1000);
  CATCH_CHECK(anywhere > 500);
  CATCH_CHECK(silent == 0);
}

}  // namespace
}  // namespace prune2to4
