// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace prune2to4 {

struct ChildResult {
  std::string text;  // what it wrote to stderr
  int status = 0;    // exit status; 128 + signal when killed by one
};

enum class Stderr { kPipe, kTerminal };

inline constexpr unsigned short kTerminalColumns = 60;

// Runs `body` in a forked process, which may change its limits, signals, user and environment freely. An
// exception's text goes to the child's stderr and makes the status 99.
inline ChildResult run_in_child(const std::function<void()>& body, Stderr kind = Stderr::kPipe) {
  int ends[2] = {-1, -1};  // read, write
  if (kind == Stderr::kPipe) {
    if (::pipe(ends) != 0) throw std::runtime_error("pipe failed");
  } else {
    ends[0] = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (ends[0] < 0 || ::grantpt(ends[0]) != 0 || ::unlockpt(ends[0]) != 0)
      throw std::runtime_error("no pty");
    const winsize size{24, kTerminalColumns, 0, 0};
    ::ioctl(ends[0], TIOCSWINSZ, &size);
    ends[1] = ::open(::ptsname(ends[0]), O_RDWR | O_NOCTTY);
  }
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    if (kind == Stderr::kTerminal) ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    try {
      body();
    } catch (const std::exception& error) {
      static_cast<void>(!::write(STDERR_FILENO, error.what(), std::string(error.what()).size()));
      ::_exit(99);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  ChildResult result;
  char buffer[4096];
  for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
    got = ::read(ends[0], buffer, sizeof(buffer));  // a pty ends with EIO
    if (got > 0) result.text.append(buffer, static_cast<size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace prune2to4
