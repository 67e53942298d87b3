// SPDX-License-Identifier: Apache-2.0
#include "ops/child_process.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

extern char** environ;

namespace prune2to4 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kMoment(2);
constexpr std::string_view kLibraryPath = "LD_LIBRARY_PATH=";

// This process's, with LibTorch's folder before all others.
std::vector<std::string> environment() {
  std::vector<std::string> variables;
  std::string path(kLibraryPath);
  Dl_info torch{};
  if (::dladdr(reinterpret_cast<const void*>(&at::set_num_threads), &torch) != 0) {
    path += std::filesystem::path(torch.dli_fname).parent_path().string();
  }
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with(kLibraryPath)) {
      variables.emplace_back(*variable);
    } else {
      path += ":" + std::string(*variable).substr(kLibraryPath.size());
    }
  }
  variables.push_back(path);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

int spawn(const std::filesystem::path& program, int socket, pid_t& id) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> argv{program.string()};
  std::vector<std::string> variables = environment();
  const int error = ::posix_spawn(&id, program.c_str(), &actions, &attributes, pointers(argv).data(),
                                  pointers(variables).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::unique_ptr<ChildProcess> ChildProcess::start(const std::filesystem::path& program, std::string& reason) {
  std::array<int, 2> ends{};
  int error = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0 ? 0 : errno;
  pid_t id = 0;
  if (error == 0) {
    error = spawn(program, ends[1], id);
    ::close(ends[1]);
    if (error != 0) ::close(ends[0]);
  }
  if (error == 0) return std::unique_ptr<ChildProcess>(new ChildProcess(id, ends[0]));
  reason = std::strerror(error);
  return nullptr;
}

ChildProcess::~ChildProcess() {
  if (id_ != 0) {
    ::kill(id_, SIGKILL);
    end();
  }
}

bool ChildProcess::send_line(const std::string& line) {
  const std::string all = line + "\n";
  size_t sent = 0;
  while (sent < all.size()) {
    const ssize_t count = ::send(socket_, all.data() + sent, all.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

std::optional<std::string> ChildProcess::read_line(std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  std::array<char, 4096> buffer;
  while (true) {
    if (const size_t end = read_.find('\n'); end != std::string::npos) {
      std::string line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return std::nullopt;
    pollfd watched{socket_, POLLIN, 0};
    const int ready = ::poll(&watched, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return std::nullopt;
    if (ready <= 0) continue;
    const ssize_t count = ::read(socket_, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return std::nullopt;
    read_.append(buffer.data(), static_cast<size_t>(count));
  }
}

std::optional<int> ChildProcess::end() {
  ::close(socket_);
  int status = 0;
  const Clock::time_point deadline = Clock::now() + kMoment;
  pid_t ended = 0;
  while ((ended = ::waitpid(id_, &status, WNOHANG)) == 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (ended == 0) {
    ::kill(id_, SIGKILL);
    while ((ended = ::waitpid(id_, &status, 0)) < 0 && errno == EINTR) {
    }
  }
  const bool known = ended == id_;
  id_ = 0;
  return known ? std::optional(status) : std::nullopt;
}

}  // namespace prune2to4
