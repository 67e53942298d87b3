// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "prune2to4/atomic_file.h"
#include "prune2to4/error.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

using Catch::Matchers::Contains;

std::string failure(const std::filesystem::path& path, uint64_t limit) {
  try {
    read_text_file(path, limit);
  } catch (const Error& error) {
    return error.status() == ExitStatus::kFileSystem ? error.what() : "another exit status";
  }
  return "no error";
}

CATCH_TEST_CASE("a text is read back as it was written") {
  const TemporaryFolder folder;
  for (const std::string& text : {std::string(), std::string("a\0b\r\n", 5), std::string(200000, 'x')}) {
    write_text_file(folder / "text", text);
    CATCH_CHECK(read_text_file(folder / "text", 200000) == text);
  }
}

CATCH_TEST_CASE("a text may have just the limit's size") {
  const TemporaryFolder folder;
  write_text_file(folder / "text", std::string(1000, 'x'));
  CATCH_CHECK(read_text_file(folder / "text", 1000).size() == 1000);
  CATCH_CHECK_THAT(failure(folder / "text", 999), Contains("larger than 999 B; is it the right file?"));
  CATCH_CHECK_THAT(failure("/dev/zero", 1 << 20), Contains("larger than 1.00 MiB"));
}

CATCH_TEST_CASE("a pipe is read to its end, however late its writer comes") {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  CATCH_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::jthread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::ofstream file(pipe);
    file << "first" << std::flush;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    file << " second";
  });
  CATCH_CHECK(read_text_file(pipe, 100) == "first second");
}

CATCH_TEST_CASE("a missing file, a folder and a file in the way are named") {
  const TemporaryFolder folder;
  write_text_file(folder / "text", "x");
  CATCH_CHECK_THAT(failure(folder / "none", 9),
                   Contains("[read] cannot read") && Contains("No such file or directory; check the path"));
  CATCH_CHECK_THAT(failure(folder / "text/none", 9), Contains("Not a directory; check the path"));
  CATCH_CHECK_THAT(failure(folder.path(), 9), Contains("it is a folder; name the file in it"));
}

}  // namespace
}  // namespace prune2to4
