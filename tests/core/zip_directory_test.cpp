// SPDX-License-Identifier: Apache-2.0
#include "core/zip_directory.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <random>
#include <string>

#include "model_fixture.h"
#include "prune2to4/error.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

// "" when it is taken.
std::string message(const std::string& bytes) {
  try {
    read_zip_directory(std::as_bytes(std::span(bytes)), "m.pt");
    return {};
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kModel);
    return error.what();
  }
}

std::string with_part(const ZipPart& part) {
  std::vector<ZipPart> parts = model_parts();
  parts.push_back(part);
  return build_zip(parts);
}

std::string named(const std::string& name) { return with_part({.name = name, .data = "x"}); }

std::string patched(std::string bytes, size_t at, const std::string& patch) {
  return bytes.replace(at, patch.size(), patch);
}

std::vector<ZipPart> many_parts(size_t count) {
  std::vector<ZipPart> parts;
  for (size_t i = 0; i < count; ++i) parts.push_back({.name = "m/" + std::to_string(i), .data = {}});
  return parts;
}

struct Crafted {
  std::string what;
  std::string expected;  // in the message
  std::string bytes;
};

std::vector<Crafted> wrong_names() {
  return {{"a name that leads out of the folder", "\"..\"", named("net/../evil")},
          {"a name with a dot part", "\".\"", named("net/./x")},
          {"an absolute name", "absolute", named("/net/x")},
          {"a backslash", "backslash", named("net\\x")},
          {"a NUL", "control character", named(std::string("net/x\0y", 7))},
          {"a name of 512 bytes", "511 bytes", named("net/" + std::string(508, 'n'))},
          {"a second top folder", "folder \"net\"", named("other/x")},
          {"a record in no folder", "in no folder", named("x")},
          {"a folder record", "empty part", named("net/folder/")},
          {"the same name twice", "twice", named("net/data/0")},
          {"the same name in upper case", "twice", named("net/Traced_inputs/0")},
          {"a special record in upper case", "upper-case", named("net/MODEL.json")},
          {"a code folder in upper case", "upper-case", named("net/Code/__torch__/m.py")}};
}

std::vector<Crafted> wrong_records() {
  const std::string zeros(size_t{1} << 20U, '\0');
  return {
      {"a deflated weight", "compressed tensor", with_part({"net/data/9", std::string(64, 'w'), true})},
      {"a deflated constant", "compressed tensor",
       with_part({"net/constants/9", std::string(64, 'w'), true})},
      {"a bomb", "200 times", with_part({"net/code/bomb.py", zeros, true})},
      {"a bomb by its directory", "64 MiB",
       with_part({.name = "net/code/bomb.py",
                  .data = zeros,
                  .deflated = true,
                  .zip64 = true,
                  .size = uint64_t{1} << 40U})},
      {"an encrypted record", "encrypted", with_part({.name = "net/x", .data = "x", .flags = 0x0809})},
      {"unknown flags", "flags", with_part({.name = "net/x", .data = "x", .flags = 0x0848})},
      {"an unknown method", "method 14", with_part({.name = "net/x", .data = "x", .method = 14})},
      {"a folder attribute", "marked as a folder",
       with_part({.name = "net/x", .data = "x", .external_attributes = 0x10})},
      {"a stored record of two sizes", "two sizes differ",
       with_part({.name = "net/x", .data = "x", .size = 2})},
      {"another name in the local header", "another name in its local header",
       with_part({.name = "net/x", .data = "x", .local_name = "net/y"})},
      {"two records on the same bytes", "overlaps",
       with_part({.name = "net/x", .data = "x", .header_offset = 0})},
      {"a record over the next", "overlaps",
       build_zip({{.name = "net/x", .data = "x", .stored_size = 4000, .size = 4000}, {"net/y", "y"}})},
      {"a record past the end", "past the last record",
       with_part({.name = "net/x", .data = "x", .header_offset = 1U << 30U})},
      {"no local header there", "no local header", patched(build_zip(model_parts()), 0, "QK")},
      {"bytes between records", "no record owns",
       build_zip({{.name = "net/x", .data = "x", .descriptor = false, .after = "hidden"}, {"net/y", "y"}})},
      {"bytes after a descriptor", "descriptor",
       build_zip({{.name = "net/x", .data = "x", .after = "hidden"}, {"net/y", "y"}})}};
}

std::vector<Crafted> wrong_endings() {
  const std::vector<ZipPart> parts = {{"net/x", "x"}, {"net/y", "y"}};
  const std::string good = build_zip(parts);
  return {
      {"bytes before", "before its first record", build_zip(parts, {.before = "#!/bin/sh\n"})},
      {"bytes after", "after its end", build_zip(parts, {.after = "more"})},
      {"another ZIP after", "ZIP64 locator", good + good},
      {"another ZIP after, without ZIP64", "directory is not where",
       good + build_zip(parts, {.zip64 = false})},
      {"a ZIP comment", "after its end", patched(good, good.size() - 2, "\x04") + "note"},
      {"a ZIP64 record elsewhere", "ZIP64 locator", build_zip(parts, {.zip64_offset = 0})},
      {"ZIP64 and 32-bit records disagree", "disagree",
       patched(good, good.size() - 10, bytes_of(uint32_t{1}))},
      {"a malformed ZIP64 record", "ZIP64", patched(good, good.size() - 98 + 4, bytes_of(uint64_t{99}))},
      {"a directory elsewhere", "directory is not where",
       build_zip(parts, {.zip64 = false, .directory_offset = 3})},
      {"fewer records than the directory has", "longer than its records", build_zip(parts, {.entries = 1})},
      {"more records than the directory has", "malformed", build_zip(parts, {.entries = 3})},
      {"20,001 records", "20001 records", build_zip(many_parts(20'001))},
      {"no record", "empty ZIP", build_zip({})},
      {"no ZIP", "not a TorchScript archive", std::string(100, 'x')},
      {"less than an end record", "not a TorchScript archive", "PK"}};
}

CATCH_TEST_CASE("archives as LibTorch writes them are taken") {
  const std::string bytes = build_zip(model_parts());
  const ZipDirectory directory = read_zip_directory(std::as_bytes(std::span(bytes)), "m.pt");
  CATCH_CHECK(directory.top_folder == "net");
  CATCH_REQUIRE(directory.entries.size() == model_parts().size());
  const ArchiveEntry& first = directory.entries.front();
  CATCH_CHECK(first.name == "data/0");
  CATCH_CHECK(first.offset % 64 == 0);
  CATCH_CHECK(bytes.substr(first.offset, first.size) == model_parts().front().data);
}

CATCH_TEST_CASE("other correct ways to write a ZIP are taken") {
  CATCH_CHECK(message(build_zip(model_parts(), {.zip64 = false})).empty());
  CATCH_CHECK(message(with_part({.name = "net/x", .data = "x", .descriptor = false})).empty());
  CATCH_CHECK(message(with_part({.name = "net/x", .data = "x", .zip64 = true})).empty());
  CATCH_CHECK(message(with_part({.name = "net/x", .data = "x", .descriptor = false, .zip64 = true})).empty());
  CATCH_CHECK(message(named("net/" + std::string(507, 'n'))).empty());
  CATCH_CHECK(message(build_zip(many_parts(20'000))).empty());
  // A symbolic link's mode means nothing to a reader that extracts no files.
  CATCH_CHECK(
      message(with_part({.name = "net/x", .data = "x", .external_attributes = 0120777U << 16U})).empty());
}

CATCH_TEST_CASE("crafted directories are refused with the reason") {
  size_t count = 0;
  for (const auto& group : {wrong_names(), wrong_records(), wrong_endings()}) {
    for (const auto& [what, expected, bytes] : group) {
      CATCH_INFO(what);
      CATCH_CHECK_THAT(message(bytes), Catch::Contains(expected));
      ++count;
    }
  }
  std::cout << "crafted ZIP directories refused: " << count << "\n";
}

CATCH_TEST_CASE("every shorter file is refused") {
  const std::string bytes = build_zip(model_parts());
  size_t refused = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (!message(bytes.substr(0, size)).empty()) ++refused;
  }
  CATCH_CHECK(refused == bytes.size());
}

CATCH_TEST_CASE("random changes to headers never crash the reader") {
  const std::string good = build_zip(model_parts());
  std::mt19937 random(11);
  size_t refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = good;
    for (int k = 0; k < 4; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    for (int k = 0; k < 2; ++k)
      bytes[bytes.size() - 1 - random() % 1200] = static_cast<char>(random() % 2 * 255);
    if (!message(bytes).empty()) ++refused;
  }
  CATCH_CHECK(refused > 4000);
}

}  // namespace
}  // namespace prune2to4
