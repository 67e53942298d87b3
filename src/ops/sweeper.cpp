// SPDX-License-Identifier: Apache-2.0
#include "ops/sweeper.h"

#include <c10/util/Exception.h>
#include <signal.h>
#include <sys/wait.h>

#include <condition_variable>
#include <mutex>
#include <sstream>
#include <thread>

#include "ops/child_process.h"

namespace prune2to4 {
namespace {

using Clock = std::chrono::steady_clock;

// Of one sweep: each costs a start of the process. What is left then is not timed.
constexpr size_t kMostFailures = 4;

// Not what someone else has ended: by Ctrl-C, or for want of memory.
bool is_failure(std::optional<int> status) {
  if (!status) return false;
  if (WIFEXITED(*status)) return WEXITSTATUS(*status) != 0;
  const int signal = WTERMSIG(*status);
  return signal != SIGINT && signal != SIGTERM && signal != SIGHUP && signal != SIGKILL;
}

}  // namespace

struct Sweeper::State {
  std::filesystem::path program;
  SweeperOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<ChildProcess> process;
  Clock::time_point last_use;
  bool watched = false;
  bool given_up = false;

  // How one run over the candidates went.
  enum class Run { kDone, kCandidateFailed, kImpossible };

  Run give_up(const std::string& reason) {
    given_up = true;
    process.reset();
    TORCH_WARN("[prune2to4] kernels are timed in this process, which a bad one may end: '", program.string(),
               "' cannot do it: ", reason);
    return Run::kImpossible;
  }

  // `candidate` is the one being timed when the process ended.
  Run ended(const std::string& candidate, const std::string& first, bool late) {
    if (late) ::kill(process->id(), SIGKILL);
    const std::optional<int> status = process->end();
    process.reset();
    if (candidate.empty()) return give_up(late ? "it does not answer" : "it ends at once");
    // The first one is a dense product, LibTorch's own as a rule: something else is wrong.
    if (candidate == first || !(late || is_failure(status))) return Run::kImpossible;
    return Run::kCandidateFailed;
  }

  Run run(const SweepRequest& request, Swept& swept, std::string& candidate) {
    std::string reason;
    const bool kept = process != nullptr;
    if (!process) process = ChildProcess::start(program, reason);
    if (!process) return give_up(reason);
    std::string first;
    candidate.clear();
    process->send_line(to_line(request));
    while (true) {
      const Clock::time_point deadline = Clock::now() + options.limit;
      const std::optional<std::string> line = process->read_line(options.limit);
      if (!line && kept && candidate.empty()) {  // it has ended since it was last used
        process.reset();
        return run(request, swept, candidate);
      }
      if (!line) return ended(candidate, first, Clock::now() >= deadline);
      std::istringstream fields(*line);
      std::string word;
      std::getline(fields, word, '\t');
      if (word == "done") return Run::kDone;
      std::string what;
      std::getline(fields, what, '\t');
      if (word != "try" && word != "time") return give_up(word == "error" ? what : "it answers " + *line);
      candidate = what;
      if (first.empty()) first = candidate;
      if (word == "time") fields >> swept.milliseconds[candidate];
    }
  }

  // Ends the process when it has had nothing to do for long.
  static void watch(const std::shared_ptr<State>& state) {
    std::unique_lock lock(state->mutex);
    while (state->process) {
      const Clock::time_point end = state->last_use + state->options.idle;
      if (Clock::now() >= end) {
        state->process.reset();
      } else {
        state->changed.wait_until(lock, end);
      }
    }
    state->watched = false;
  }
};

Sweeper::Sweeper(std::filesystem::path program, SweeperOptions options) : state_(std::make_shared<State>()) {
  state_->program = std::move(program);
  state_->options = options;
}

Sweeper::~Sweeper() {
  const std::scoped_lock lock(state_->mutex);
  state_->process.reset();
  state_->changed.notify_all();
}

std::optional<Swept> Sweeper::sweep(SweepRequest request) {
  State& state = *state_;
  const std::scoped_lock lock(state.mutex);
  if (state.given_up) return std::nullopt;
  Swept swept;
  std::string candidate;
  State::Run how = State::Run::kCandidateFailed;
  while (how == State::Run::kCandidateFailed) {
    how = state.run(request, swept, candidate);
    if (how != State::Run::kCandidateFailed) break;
    swept.failed.insert(candidate);
    swept.milliseconds.erase(candidate);
    request.skipped.insert(candidate);
    if (swept.failed.size() == kMostFailures && !swept.milliseconds.empty()) break;
  }
  state.last_use = Clock::now();
  if (state.process && !state.watched) {
    state.watched = true;
    std::thread(&State::watch, state_).detach();
  }
  return how == State::Run::kImpossible ? std::nullopt : std::optional(std::move(swept));
}

int Sweeper::process() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->process ? state_->process->id() : 0;
}

}  // namespace prune2to4
