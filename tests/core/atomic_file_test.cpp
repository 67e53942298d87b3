// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/atomic_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <vector>

#include "child_process.h"
#include "prune2to4/error.h"
#include "prune2to4/interrupt.h"
#include "temporary_folder.h"

namespace prune2to4 {
namespace {

namespace fs = std::filesystem;
using Temporary = AtomicFile::Temporary;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

void put(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
std::string get(const fs::path& path) { return read_text_file(path, 1 << 20); }
mode_t mode_of(const fs::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

void write(AtomicFile& file, std::string_view text) { file.write(std::as_bytes(std::span(text))); }

void replace(const fs::path& target, std::string_view text, Temporary temporary = Temporary::kUnnamed) {
  AtomicFile file(target, temporary);
  write(file, text);
  file.commit();
}

// The message of the Error(kFileSystem) that `body` throws.
template <typename Body>
std::string failure(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.status() == ExitStatus::kFileSystem ? error.what() : "another exit status";
  }
  return "no error";
}

// Runs `body` as a user whom permissions bind, and returns the message of its error.
template <typename Body>
std::string failure_as_nobody(Body body) {
  const auto child = run_in_child([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0))
      throw std::runtime_error("setuid");
    throw std::runtime_error(failure(body));
  });
  return child.text;
}

CATCH_TEST_CASE("a committed file has its content, and nothing lies beside it") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  ::umask(022);
  {
    AtomicFile file(folder / "out", temporary);
    write(file, "first ");
    CATCH_CHECK_FALSE(fs::exists(folder / "out"));
    write(file, "second");
    CATCH_CHECK(file.size() == 12);
    file.commit();
  }
  CATCH_CHECK(get(folder / "out") == "first second");
  CATCH_CHECK(mode_of(folder / "out") == 0644);
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a replaced file keeps its mode") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  put(folder / "out", "old");
  fs::permissions(folder / "out", fs::perms{0660});
  replace(folder / "out", "new", temporary);
  CATCH_CHECK(get(folder / "out") == "new");
  CATCH_CHECK(mode_of(folder / "out") == 0660);
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("without commit the old file is intact and nothing is left") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  put(folder / "out", "old");
  {
    AtomicFile file(folder / "out", temporary);
    write(file, "new");
  }
  CATCH_CHECK(get(folder / "out") == "old");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a file that appears during the write is replaced") {
  const TemporaryFolder folder;
  AtomicFile file(folder / "out");
  write(file, "new");
  put(folder / "out", "in between");
  file.commit();
  CATCH_CHECK(get(folder / "out") == "new");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a file of several chunks is whole") {
  const TemporaryFolder folder;
  std::vector<std::byte> bytes((size_t{20} << 20U) + 3);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 2654435761U >> 13U);
  {
    AtomicFile file(folder / "out");
    file.write(bytes);
    file.commit();
  }
  const std::string text = read_text_file(folder / "out", bytes.size());
  CATCH_CHECK((text.size() == bytes.size() &&
               std::equal(text.begin(), text.end(), bytes.begin(),
                          [](char a, auto b) { return static_cast<std::byte>(a) == b; })));
}

CATCH_TEST_CASE("a symbolic link stays and its target is written") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  put(folder / "real/file", "old");
  fs::create_symlink("real/file", folder / "link");
  fs::create_symlink("real/missing", folder / "dangling");
  replace(folder / "link", "new", temporary);
  replace(folder / "dangling", "made", temporary);
  CATCH_CHECK(fs::is_symlink(folder / "link"));
  CATCH_CHECK(fs::is_symlink(folder / "dangling"));
  CATCH_CHECK(get(folder / "real/file") == "new");
  CATCH_CHECK(get(folder / "real/missing") == "made");
}

CATCH_TEST_CASE("a file size limit is an error that says how much was needed") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  put(folder / "out", "old");
  const auto child = run_in_child([&] {
    install_signal_handlers();
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    throw std::runtime_error(failure([&] { replace(folder / "out", std::string(3 << 20, 'x'), temporary); }));
  });
  CATCH_CHECK_THAT(child.text,
                   Contains("[write] cannot write") && Contains("out\": the file would pass the size "
                                                                "limit (at least 3.00 MiB needed)"));
  CATCH_CHECK_THAT(child.text, EndsWith("The old file is untouched"));
  CATCH_CHECK(get(folder / "out") == "old");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a full device is an error, the null device takes everything") {
  const std::string message = failure([] { replace("/dev/full", "text"); });
  CATCH_CHECK_THAT(message, Contains("\"/dev/full\": No space left on device"));
  CATCH_CHECK_NOTHROW(replace("/dev/null", "text"));
  CATCH_CHECK(fs::is_character_file("/dev/null"));
}

CATCH_TEST_CASE("a pipe gets the bytes directly") {
  const TemporaryFolder folder;
  CATCH_REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  const int reader = ::open((folder / "pipe").c_str(), O_RDONLY | O_NONBLOCK);
  replace(folder / "pipe", "text");
  char buffer[8] = {};
  CATCH_CHECK(::read(reader, buffer, sizeof(buffer)) == 4);
  CATCH_CHECK(std::string(buffer) == "text");
  CATCH_CHECK(fs::is_fifo(folder / "pipe"));
  ::close(reader);
}

CATCH_TEST_CASE("targets that are no files are refused") {
  const TemporaryFolder folder;
  put(folder / "file", "x");
  fs::create_symlink("loop", folder / "loop");
  const auto refusal = [&](const std::string& name) { return failure([&] { AtomicFile(folder / name); }); };
  CATCH_CHECK_THAT(failure([&] { AtomicFile(folder.path()); }),
                   EndsWith("it is a directory; give a file name"));
  CATCH_CHECK_THAT(failure([] { AtomicFile(""); }), EndsWith("it names no file; give a file name"));
  CATCH_CHECK_THAT(refusal("new/"), EndsWith("it names no file; give a file name"));
  CATCH_CHECK_THAT(refusal("missing/out"), Contains("missing\" does not exist; create it first"));
  CATCH_CHECK_THAT(refusal("file/out"), Contains("file\" does not exist; create it first"));
  CATCH_CHECK_THAT(refusal("loop"), Contains("too many symbolic links"));
  CATCH_CHECK_THAT(refusal(std::string(300, 'n')), Contains("the name is too long"));
  CATCH_CHECK(folder.size() == 2);
}

CATCH_TEST_CASE("a folder or a file without permission is refused before any byte") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  CATCH_CHECK_THAT(failure_as_nobody([&] {
                     if (::geteuid() != 65534) fs::permissions(folder.path(), fs::perms{0555});
                     AtomicFile file(folder / "out", temporary);
                   }),
                   Contains("no permission to write in the folder"));
  CATCH_CHECK(folder.size() == 0);
  fs::permissions(folder.path(), fs::perms{0777});
  put(folder / "out", "old");
  fs::permissions(folder / "out", fs::perms{0444});
  CATCH_CHECK_THAT(failure_as_nobody([&] { AtomicFile file(folder / "out", temporary); }),
                   Contains("the file is there and write-protected"));
  CATCH_CHECK(get(folder / "out") == "old");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a signal during the write leaves the old file and nothing else") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  put(folder / "out", "old");
  const auto child = run_in_child([&] {
    install_signal_handlers();
    AtomicFile file(folder / "out", temporary);
    write(file, "new");
    ::raise(SIGTERM);
    file.commit();
  });
  CATCH_CHECK_THAT(child.text, Contains("[signal]"));
  CATCH_CHECK(get(folder / "out") == "old");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("the longest name can be replaced") {
  const auto temporary = GENERATE(Temporary::kUnnamed, Temporary::kNamed);
  const TemporaryFolder folder;
  const std::string name(255, 'n');
  replace(folder / name, "one", temporary);
  replace(folder / name, "two", temporary);
  CATCH_CHECK(get(folder / name) == "two");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a file name without a folder is written in the current one") {
  const TemporaryFolder folder;
  const auto child = run_in_child([&] {
    fs::current_path(folder.path());
    write_text_file("out", "text");
  });
  CATCH_CHECK(child.status == 0);
  CATCH_CHECK(get(folder / "out") == "text");
}

}  // namespace
}  // namespace prune2to4
