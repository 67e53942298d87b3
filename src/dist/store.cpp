// SPDX-License-Identifier: Apache-2.0
#include "dist/store.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

constexpr int kBacklog = 1024;

// A listening socket that only this machine reaches; -1 when the port is taken.
int listen_on_loopback(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      ::listen(socket, kBacklog) == 0) {
    return socket;
  }
  ::close(socket);
  return -1;
}

// Serves for the rest of the process: a peer that reads the last answer may be slower than rank 0, and a
// second Comm finds the same store.
StorePtr serve(const Launch& launch, c10d::TCPStoreOptions options) {
  static std::mutex mutex;
  static std::map<uint16_t, StorePtr> served;  // by port
  const std::lock_guard lock(mutex);
  StorePtr& store = served[launch.port];
  if (store == nullptr) {
    options.isServer = true;
    options.multiTenant = true;
    if (launch.host == "127.0.0.1" || launch.host == "localhost") {
      const int socket = listen_on_loopback(launch.port);
      if (socket < 0) fail_rank(launch, "port " + std::to_string(launch.port) + " is taken; set MASTER_PORT");
      options.masterListenFd = socket;
    }
    store = c10::make_intrusive<c10d::TCPStore>(launch.host, options);
  }
  return store->clone();
}

}  // namespace

StorePtr open_store(const Launch& launch, std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.timeout = timeout;
  options.waitWorkers = false;
  try {
    const bool serves = launch.rank == 0 && !launch.store_runs;
    const StorePtr store =
        serves ? serve(launch, options) : StorePtr(c10::make_intrusive<c10d::TCPStore>(launch.host, options));
    return c10::make_intrusive<c10d::PrefixStore>(launch.prefix, store);
  } catch (const c10::Error& error) {
    fail_rank(launch, "cannot " + std::string(launch.rank == 0 && !launch.store_runs ? "serve" : "reach") +
                          " the ranks' store at " + launch.host + ", port " + std::to_string(launch.port) +
                          ": check MASTER_ADDR and MASTER_PORT, and that rank 0 runs (" +
                          error.what_without_backtrace() + ")");
  }
}

StorePtr connect_again(const StorePtr& store) { return store->clone(); }

void fail_rank(const Launch& launch, const std::string& message) {
  throw Error(ExitStatus::kDevice, "ranks",
              "rank " + std::to_string(launch.rank) + " of " + std::to_string(launch.size) + ": " + message);
}

}  // namespace prune2to4
