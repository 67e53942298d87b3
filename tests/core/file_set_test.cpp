// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/file_set.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string refusal(const std::vector<UsedFile>& files) {
  try {
    check_files(files, "stage");
    return "";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kUsage);
    return error.what();
  }
}

std::string refusal(const fs::path& input, const fs::path& output) {
  return refusal({{"--in", FileUse::kInput, input}, {"--out", FileUse::kOutput, output}});
}

std::string outputs(const fs::path& first, const fs::path& second) {
  return refusal({{"--first", FileUse::kOutput, first}, {"--second", FileUse::kOutput, second}});
}

}  // namespace

CATCH_TEST_CASE("two paths are one file by device and inode") {
  const TemporaryFolder folder;
  put(folder / "file", "text");
  fs::create_directory(folder / "sub");
  fs::create_symlink("file", folder / "soft");
  fs::create_symlink("soft", folder / "soft2");
  fs::create_symlink(folder.path(), folder / "sub/up");
  fs::create_hard_link(folder / "file", folder / "hard");
  for (const char* name :
       {"file", "./file", "sub/../file", "soft", "soft2", "sub/up/file", "sub/up/soft", "hard"}) {
    CATCH_CAPTURE(name);
    CATCH_CHECK_THAT(refusal(folder / "file", folder / name),
                     Contains("[stage] --out") && Contains("--in") && Contains("file\""));
    CATCH_CHECK_THAT(outputs(folder / "file", folder / name),
                     Contains("--first") && Contains("are one file"));
  }
  CATCH_CHECK(refusal(folder / "file", folder / "other").empty());
  CATCH_CHECK(
      refusal({{"a", FileUse::kInput, folder / "file"}, {"b", FileUse::kInput, folder / "hard"}}).empty());
}

CATCH_TEST_CASE("a file that is not there yet is its name in its folder") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "sub");
  fs::create_symlink("sub/new", folder / "dangling");
  fs::create_symlink(folder.path() / "sub", folder / "link");
  for (const char* name : {"sub/new", "sub/./new", "dangling", "link/new", "sub/../sub/new"}) {
    CATCH_CAPTURE(name);
    CATCH_CHECK_FALSE(outputs(folder / "sub/new", folder / name).empty());
  }
  CATCH_CHECK(outputs(folder / "sub/new", folder / "new").empty());
  CATCH_CHECK_FALSE(outputs(folder / "missing/new", folder / "missing/./new").empty());
}

CATCH_TEST_CASE("devices and pipes are no files") {
  const TemporaryFolder folder;
  const fs::path pipe = folder / "pipe";
  CATCH_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const fs::path& path : {fs::path("/dev/null"), fs::path("/dev/stdout"), pipe}) {
    CATCH_CHECK(outputs(path, path).empty());
    if (path != "/dev/stdout") CATCH_CHECK(refusal(path, path).empty());  // which may lead to a file
  }
}

CATCH_TEST_CASE("a descriptor is written to, not replaced, and is an input's file where it leads to one") {
  const TemporaryFolder folder;
  const fs::path file = folder / "file";
  put(file, "before ");
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND);
  CATCH_REQUIRE(descriptor >= 0);
  const fs::path name = "/dev/fd/" + std::to_string(descriptor);
  CATCH_CHECK(descriptor_of(name) == descriptor);
  CATCH_CHECK(descriptor_of("/dev/stdout") == 1);
  fs::create_symlink(name, folder / "link");
  CATCH_CHECK(descriptor_of(folder / "link") == descriptor);
  CATCH_CHECK_FALSE(descriptor_of(file));
  CATCH_CHECK_FALSE(descriptor_of("/dev/null"));
  CATCH_CHECK(outputs(name, folder / "link").empty());
  CATCH_CHECK_FALSE(outputs(name, file).empty());
  CATCH_CHECK_FALSE(refusal(file, name).empty());
  write_text_file(name, "one ");
  write_text_file(folder / "link", "two");
  ::close(descriptor);
  CATCH_CHECK(read_text_file(file, 100) == "before one two");
}

CATCH_TEST_CASE("what only this program writes replaces nothing else") {
  const TemporaryFolder folder;
  const auto check = [&](const fs::path& path) {
    return refusal({{"--cache", FileUse::kInputOutput, path, "our.format"}});
  };
  const auto write = [&](const std::string& header, uint64_t size) {
    std::ofstream file(folder / "file", std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof(size));
    file << header;
  };
  CATCH_CHECK(check(folder / "missing").empty());
  const std::string ours = R"({"__metadata__": {"format": "our.format"}, "w": {"dtype": "F32"}})";
  write(ours, ours.size());  // cut short behind its header
  CATCH_CHECK(check(folder / "file").empty());
  fs::create_symlink("file", folder / "link");
  CATCH_CHECK(check(folder / "link").empty());
  for (const std::string& theirs : {std::string(R"({"__metadata__": {"format": "pt"}})"), std::string("{}"),
                                    std::string("[]"), std::string("no JSON"), std::string()}) {
    write(theirs, theirs.size());
    CATCH_CHECK_THAT(check(folder / "file"), Contains("--cache") && Contains("was not written by prune2to4"));
  }
  write(ours, ours.size() + 1000);
  CATCH_CHECK_FALSE(check(folder / "file").empty());
  CATCH_CHECK_THAT(check("/dev/null"), Contains("is no regular file"));
  CATCH_CHECK_THAT(check(folder.path()), Contains("is no regular file"));
}

}  // namespace prune2to4
