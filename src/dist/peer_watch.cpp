// SPDX-License-Identifier: Apache-2.0
#include "dist/peer_watch.h"

#include <algorithm>

namespace prune2to4 {
namespace {

constexpr std::chrono::milliseconds kInterval{1000};
constexpr std::chrono::milliseconds kGoodbyeInterval{10};
constexpr const char* kLeft = "left";
constexpr const char* kFailed = "failed";

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

bool is_goodbye(const std::string& beat) { return beat == kLeft || beat == kFailed; }

}  // namespace

PeerWatch::PeerWatch(const Launch& launch, const StorePtr& store, std::chrono::milliseconds silence)
    : launch_(launch),
      store_(connect_again(store)),
      silence_(silence),
      peers_(static_cast<size_t>(launch.size)),
      gone_(static_cast<size_t>(launch.size)) {
  for (int rank = 0; rank < launch.size; ++rank) keys_.push_back("beat/" + std::to_string(rank));
  store_->set(keys_[static_cast<size_t>(launch.rank)], std::to_string(beats_));
}

void PeerWatch::start() {
  thread_ = std::jthread([this](const std::stop_token& stopped) { run(stopped); });
}

void PeerWatch::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void PeerWatch::run(const std::stop_token& stopped) {
  const auto interval = std::min(kInterval, silence_ / 4);
  while (!stopped.stop_requested()) {
    if (store_lost_.empty()) look();
    {
      const std::lock_guard lock(watch_mutex_);
      if (watch_) watch_(first_lost());
    }
    std::unique_lock lock(wake_mutex_);
    wake_.wait_for(lock, stopped, interval, [] { return false; });
  }
}

void PeerWatch::look() {
  try {
    store_->set(keys_[static_cast<size_t>(launch_.rank)], std::to_string(++beats_));
    const auto beats = store_->multiGet(keys_);
    const auto now = Clock::now();
    for (size_t rank = 0; rank < peers_.size(); ++rank) {
      Peer& peer = peers_[rank];
      if (const std::string beat = text_of(beats[rank]); peer.beat != beat) peer = {beat, now};
      std::string gone;
      if (peer.beat == kFailed) {
        gone = "has failed; its own message says why";
      } else if (peer.beat == kLeft) {
        gone = "has ended";
      } else if (now - peer.since > silence_) {
        gone = "has not been heard of for " +
               std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - peer.since).count()) +
               " s: it was killed, or its machine is not there";
      }
      const std::lock_guard lock(mutex_);
      gone_[rank] = gone;
    }
  } catch (const c10::Error&) {
    const std::lock_guard lock(mutex_);
    store_lost_ = "the ranks' store has closed: the process that kept it has ended";
  }
}

std::string PeerWatch::first_lost() const {
  const std::lock_guard lock(mutex_);
  if (!store_lost_.empty()) return store_lost_;
  for (size_t rank = 0; rank < gone_.size(); ++rank) {
    if (!gone_[rank].empty() && peers_[rank].beat != kLeft)
      return "rank " + std::to_string(rank) + " " + gone_[rank];
  }
  return "";
}

std::vector<std::string> PeerWatch::gone() const {
  const std::lock_guard lock(mutex_);
  return gone_;
}

void PeerWatch::on_watch(std::function<void(const std::string& lost)> watch) {
  const std::lock_guard lock(watch_mutex_);
  watch_ = std::move(watch);
}

void PeerWatch::say_goodbye(bool failed) {
  store_->set(keys_[static_cast<size_t>(launch_.rank)], std::string(failed ? kFailed : kLeft));
}

void PeerWatch::await_goodbyes(std::chrono::milliseconds limit) {
  const std::vector<std::string> gone = this->gone();
  const auto start = Clock::now();
  while (Clock::now() - start < limit) {
    const auto beats = store_->multiGet(keys_);
    bool waiting = false;
    for (size_t rank = 0; rank < beats.size(); ++rank)
      waiting = waiting || (gone[rank].empty() && !is_goodbye(text_of(beats[rank])));
    if (!waiting) return;
    std::this_thread::sleep_for(kGoodbyeInterval);
  }
}

}  // namespace prune2to4
