// SPDX-License-Identifier: Apache-2.0
#include "ops/sweep.h"

#include <c10/util/Exception.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <thread>

namespace prune2to4 {
namespace {

constexpr size_t kFields = 9;
constexpr int kFailed = 3;  // exit status

void send_line(int socket, std::string line) {
  line += '\n';
  size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t count = ::send(socket, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) ::_exit(0);
    sent += static_cast<size_t>(count);
  }
}

std::string read_line(int socket) {
  std::string line;
  char letter = 0;
  while (::read(socket, &letter, 1) == 1) {
    if (letter == '\n') return line;
    line += letter;
  }
  ::_exit(0);
}

// Ends the process when the other end is closed, whatever it is doing.
void watch(int socket) {
  while (true) {
    pollfd watched{socket, 0, 0};
    if (::poll(&watched, 1, -1) > 0 && (watched.revents & (POLLHUP | POLLERR)) != 0) ::_exit(0);
  }
}

void send_time(int socket, const std::string& kernel, double milliseconds) {
  std::ostringstream line;
  line << "time\t" << kernel << '\t' << milliseconds;
  send_line(socket, line.str());
}

std::optional<double> time(int socket, const Candidate& candidate) {
  send_line(socket, "try\t" + candidate.kernel);
  try {
    const std::optional<double> milliseconds = candidate.milliseconds();
    if (milliseconds) send_time(socket, candidate.kernel, *milliseconds);
    return milliseconds;
  } catch (const c10::OutOfMemoryError&) {
    return std::nullopt;
  } catch (const std::exception&) {
    ::_exit(kFailed);
  }
}

void sweep(int socket, const std::vector<Candidate>& all, const std::set<std::string>& skipped) {
  std::vector<Candidate> candidates;
  for (const Candidate& each : all) {
    if (skipped.contains(each.kernel)) continue;
    candidates.push_back({each.kernel, [socket, each] { return time(socket, each); }});
  }
  const std::vector<std::optional<double>> times = times_under_load(candidates);
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i]) send_time(socket, candidates[i].kernel, *times[i]);
  }
  send_line(socket, "done");
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::string to_line(const SweepRequest& request) {
  const ProductShape& product = request.product;
  std::ostringstream line;
  line << product.device << '\t' << static_cast<int>(product.dtype) << '\t' << product.out << '\t'
       << product.in << '\t' << product.tokens << '\t' << (product.epilogue.activation == Activation::kGelu)
       << '\t' << product.epilogue.residual << '\t' << product.sparse << '\t' << request.biased;
  for (const std::string& kernel : request.skipped) line << '\t' << kernel;
  return line.str();
}

std::optional<SweepRequest> sweep_request(const std::string& line) {
  std::istringstream fields(line);
  std::array<int64_t, kFields> numbers{};
  for (int64_t& number : numbers) {
    if (!(fields >> number)) return std::nullopt;
  }
  SweepRequest request;
  request.product.device = static_cast<int>(numbers[0]);
  request.product.dtype = static_cast<at::ScalarType>(numbers[1]);
  request.product.out = numbers[2];
  request.product.in = numbers[3];
  request.product.tokens = numbers[4];
  request.product.epilogue.activation = numbers[5] != 0 ? Activation::kGelu : Activation::kNone;
  request.product.epilogue.residual = numbers[6] != 0;
  request.product.sparse = numbers[7] != 0;
  request.biased = numbers[8] != 0;
  fields.ignore();
  for (std::string kernel; std::getline(fields, kernel, '\t');) request.skipped.insert(kernel);
  return request;
}

void serve_sweeps(int socket, const SweepCandidates& candidates) {
  ::signal(SIGINT,
           SIG_IGN);  // of the terminal: the process that needs the answer decides, and closes the socket
  std::thread(watch, socket).detach();
  while (true) {
    const std::string line = read_line(socket);
    try {
      const std::optional<SweepRequest> request = sweep_request(line);
      TORCH_CHECK(request, "a request of another version");
      sweep(socket, candidates(*request), request->skipped);
    } catch (const c10::Error& error) {
      send_line(socket, "error\t" + first_line(error.what_without_backtrace()));
    } catch (const std::exception& error) {
      send_line(socket, "error\t" + first_line(error.what()));
    }
  }
}

}  // namespace prune2to4
