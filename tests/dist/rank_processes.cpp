// SPDX-License-Identifier: Apache-2.0
#include "dist/rank_processes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace prune2to4 {
namespace {

[[noreturn]] void become_rank(int output, const std::string& name,
                              const std::map<std::string, std::string>& environment) {
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  for (const auto& [variable, value] : environment) ::setenv(variable.c_str(), value.c_str(), 1);
  ::execl("/proc/self/exe", "rank", name.c_str(), "--reporter", "compact", nullptr);
  ::_exit(127);
}

std::string read_all(int file) {
  std::string text;
  char buffer[4096];
  for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
    got = ::read(file, buffer, sizeof(buffer));
    if (got > 0) text.append(buffer, static_cast<size_t>(got));
  }
  ::close(file);
  return text;
}

}  // namespace

uint16_t free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw std::runtime_error("no free port");
  }
  ::close(socket);
  return ntohs(address.sin_port);
}

std::vector<RankResult> run_ranks(int size, const std::string& name,
                                  const std::map<std::string, std::string>& environment) {
  std::map<std::string, std::string> variables{{"WORLD_SIZE", std::to_string(size)},
                                               {"MASTER_ADDR", "127.0.0.1"},
                                               {"MASTER_PORT", std::to_string(free_port())},
                                               {"PRUNE2TO4_RANKS_TIMEOUT", "60"},
                                               {"OMP_NUM_THREADS", "1"}};
  for (const auto& [variable, value] : environment) variables[variable] = value;
  std::vector<pid_t> children;
  std::vector<int> outputs;
  for (int rank = 0; rank < size; ++rank) {
    variables["RANK"] = variables["LOCAL_RANK"] = std::to_string(rank);
    int ends[2];  // read, write
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
    children.push_back(::fork());
    if (children.back() == 0) become_rank(ends[1], name, variables);
    ::close(ends[1]);
    outputs.push_back(ends[0]);
  }
  std::vector<RankResult> results;
  for (size_t rank = 0; rank < children.size(); ++rank) {
    std::string text = read_all(outputs[rank]);
    int status = 0;
    ::waitpid(children[rank], &status, 0);
    results.push_back({WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), std::move(text)});
  }
  return results;
}

}  // namespace prune2to4
