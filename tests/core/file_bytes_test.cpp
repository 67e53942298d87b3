// SPDX-License-Identifier: Apache-2.0
#include "core/file_bytes.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "prune2to4/error.h"
#include "zip_builder.h"

namespace prune2to4 {
namespace {

std::string message(const std::filesystem::path& path) {
  try {
    read_file(path);
    return {};
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kFileSystem);
    return error.what();
  }
}

CATCH_TEST_CASE("a file of several chunks is read and hashed whole") {
  const TemporaryFile file(std::string(20'000'000, 'a'));
  FileBytes read = read_file(file.path());
  CATCH_CHECK(read.bytes.size() == 20'000'000);
  CATCH_CHECK(std::count(read.bytes.data(), read.bytes.data() + read.bytes.size(), std::byte{'a'}) ==
              20'000'000);
  CATCH_CHECK(read.sha256.get() == "aded0ea9b4d06589b13d00bab483faf479d61ed5de21f1760aa7018a28e330e5");
}

CATCH_TEST_CASE("what is not a readable file is refused with the reason") {
  const TemporaryFile file("");
  CATCH_CHECK_THAT(message(file.path()), Catch::Contains("it is empty"));
  CATCH_CHECK_THAT(message(file.path().parent_path()), Catch::Contains("it is a folder"));
  CATCH_CHECK_THAT(message(file.path().string() + ".missing"), Catch::Contains("check the path"));
  CATCH_CHECK_THAT(message(file.path() / "below"), Catch::Contains("check the path"));
  CATCH_CHECK_THAT(message("/dev/null"), Catch::Contains("not a regular file"));
}

CATCH_TEST_CASE("a pipe is refused instead of waited for") {
  const TemporaryFile file("x");
  const std::string pipe = file.path().string() + ".pipe";
  CATCH_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CATCH_CHECK_THAT(message(pipe), Catch::Contains("not a regular file"));
  std::filesystem::remove(pipe);
}

}  // namespace
}  // namespace prune2to4
