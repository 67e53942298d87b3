// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dist/store.h"

namespace prune2to4 {

// Says in the store, about once a second, that this rank lives, and notes which of the others no longer do.
class PeerWatch {
 public:
  // Over a connection of its own to `store`. A rank not heard of for `silence` is lost.
  PeerWatch(const Launch& launch, const StorePtr& store, std::chrono::milliseconds silence);
  ~PeerWatch() { stop(); }
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  // Once every rank's watch is there.
  void start();
  void stop();
  // After stop(): tells the others that this rank sends nothing any more, and whether because of an error.
  void say_goodbye(bool failed);
  // After stop(): until the others that are there have said goodbye, at most for `limit`.
  void await_goodbyes(std::chrono::milliseconds limit);

  // By rank, what became of it; empty while it is there.
  std::vector<std::string> gone() const;
  void on_watch(std::function<void(const std::string& lost)> watch);

 private:
  using Clock = std::chrono::steady_clock;
  struct Peer {
    std::string beat;
    Clock::time_point since;  // when that was first seen
  };

  void run(const std::stop_token& stopped);
  void look();
  std::string first_lost() const;

  Launch launch_;
  StorePtr store_;
  std::chrono::milliseconds silence_;
  std::vector<std::string> keys_;  // by rank
  std::vector<Peer> peers_;
  int64_t beats_ = 0;
  mutable std::mutex mutex_;  // of gone_
  std::vector<std::string> gone_;
  std::string store_lost_;
  std::mutex watch_mutex_;  // of watch_; held while it runs
  std::function<void(const std::string&)> watch_;
  std::condition_variable_any wake_;
  std::mutex wake_mutex_;
  std::jthread thread_;
};

}  // namespace prune2to4
