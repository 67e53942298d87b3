// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace prune2to4 {
namespace {

std::atomic<int> received{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

thread_local int held = 0;

extern "C" void on_signal(int signal) {
  if (received.exchange(signal) != 0) ::_exit(128 + signal);
}

void set_action(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // libraries that do not expect EINTR keep reading; we ask the flag
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signal_handlers() {
  set_action(SIGINT, on_signal);
  set_action(SIGTERM, on_signal);
  set_action(SIGXFSZ, SIG_IGN);
  set_action(SIGPIPE, SIG_IGN);
}

HeldInterrupts::HeldInterrupts() { ++held; }
HeldInterrupts::~HeldInterrupts() { --held; }

bool interrupted() { return received.load() != 0; }

void throw_if_interrupted() {
  if (const int signal = received.load(); signal != 0 && held == 0) throw Interrupted(signal);
}

}  // namespace prune2to4
