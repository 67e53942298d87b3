// SPDX-License-Identifier: Apache-2.0
#include <c10/core/ScalarType.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <span>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "dist/peer_watch.h"
#include "dist/store.h"
#include "prune2to4/comm.h"
#include "prune2to4/environment_names.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

using Bytes = std::vector<uint8_t>;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr size_t kPiece = size_t{512} << 10;  // bytes of one value; the store refuses 8 MiB
constexpr Milliseconds kLook{500};            // of waiting, after which the peers' state is looked at
constexpr Milliseconds kLongestPause{20};     // between two questions to the store
constexpr Milliseconds kSilence{30000};
constexpr Milliseconds kGoodbye{10000};
constexpr int64_t kDefaultTimeout = 600;  // s
constexpr int64_t kLongestTimeout = 604800;

// What a message is for and how long it is in all: ranks that do not make the same calls are found out.
struct Head {
  uint64_t kind = 0;
  uint64_t size = 0;
};
enum Kind : uint64_t { kHello = 1, kSum, kBroadcast, kTexts, kMax };

Milliseconds timeout_from_environment() {
  const char* text = std::getenv(kRanksTimeoutVariable);
  if (text == nullptr || *text == '\0') return std::chrono::seconds(kDefaultTimeout);
  const std::string value = text;
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || end != value.data() + value.size() || seconds < 1 ||
      seconds > kLongestTimeout) {
    throw Error(ExitStatus::kUsage, "ranks",
                "PRUNE2TO4_RANKS_TIMEOUT='" + value + "' is no number of seconds from 1 to " +
                    std::to_string(kLongestTimeout));
  }
  return std::chrono::seconds(seconds);
}

template <typename T>
void add_numbers(std::span<uint8_t> sum, const uint8_t* part) {
  for (size_t at = 0; at < sum.size(); at += sizeof(T)) {
    T a;
    T b;
    std::memcpy(&a, &sum[at], sizeof(T));
    std::memcpy(&b, part + at, sizeof(T));
    a += b;
    std::memcpy(&sum[at], &a, sizeof(T));
  }
}

void add(at::ScalarType type, std::span<uint8_t> sum, const uint8_t* part) {
  switch (type) {
    case at::kFloat:
      return add_numbers<float>(sum, part);
    case at::kDouble:
      return add_numbers<double>(sum, part);
    default:
      return add_numbers<uint64_t>(sum, part);  // int64 that may wrap around
  }
}

std::span<uint8_t> bytes_of(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.is_contiguous(), "a contiguous tensor on the CPU is needed");
  return {static_cast<uint8_t*>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

class TcpComm : public WatchedComm {
 public:
  explicit TcpComm(const Launch& launch)
      : launch_(launch),
        timeout_(timeout_from_environment()),
        root_(open_store(launch, timeout_)),
        store_(open_keys()),
        watch_(launch, store_, std::min(kSilence, timeout_)) {
    check_hello();
    watch_.start();
  }

  ~TcpComm() override {
    const bool failed = std::uncaught_exceptions() > exceptions_;
    watch_.stop();
    try {
      watch_.say_goodbye(failed);
      // The peers may still be reading.
      if (launch_.rank == 0 && !launch_.store_runs && !failed)
        watch_.await_goodbyes(std::min(kGoodbye, timeout_));
    } catch (const std::exception&) {  // the store has closed: nobody is left to tell
    }
  }
  TcpComm(const TcpComm&) = delete;
  TcpComm& operator=(const TcpComm&) = delete;

  int rank() const override { return launch_.rank; }
  int size() const override { return launch_.size; }
  Milliseconds timeout() const override { return timeout_; }
  void wait() override {}
  void on_watch(std::function<void(const std::string&)> watch) override { watch_.on_watch(std::move(watch)); }

  void all_reduce(const at::Tensor& tensor) override {
    const at::ScalarType type = tensor.scalar_type();
    TORCH_CHECK(type == at::kFloat || type == at::kDouble || type == at::kLong,
                "fp32, fp64 or int64 is needed");
    const std::span<uint8_t> all = bytes_of(tensor);
    for (size_t at = 0; at < all.size(); at += kPiece) {
      const std::span<uint8_t> mine = all.subspan(at, std::min(kPiece, all.size() - at));
      const auto parts = exchange(kSum, mine, mine.size());
      Bytes sum(parts[0].begin(), parts[0].end());
      for (size_t rank = 1; rank < parts.size(); ++rank) add(type, sum, parts[rank].data());
      std::copy(sum.begin(), sum.end(), mine.begin());
    }
  }

  void broadcast(const at::Tensor& tensor) override {
    const std::span<uint8_t> all = bytes_of(tensor);
    for (size_t at = 0; at < all.size(); at += kPiece) {
      const std::span<uint8_t> piece = all.subspan(at, std::min(kPiece, all.size() - at));
      const auto parts = exchange(kBroadcast, rank() == 0 ? piece : std::span<uint8_t>(), piece.size());
      if (rank() == 0) continue;
      if (parts[0].size() != piece.size()) fail_mixed(0);
      std::copy(parts[0].begin(), parts[0].end(), piece.begin());
    }
  }

  std::vector<std::string> all_gather(const std::string& text) override {
    // As many pieces as the longest text has, from every rank.
    const auto pieces = static_cast<int64_t>((text.size() + kPiece - 1) / kPiece);
    const int64_t rounds = max(pieces);
    std::vector<std::string> texts(static_cast<size_t>(size()));
    for (int64_t round = 0; round < rounds; ++round) {
      const size_t at = std::min(static_cast<size_t>(round) * kPiece, text.size());
      const std::string piece = text.substr(at, kPiece);
      const auto parts = exchange(kTexts, as_bytes(piece), 0);
      for (size_t rank = 0; rank < parts.size(); ++rank)
        texts[rank].append(parts[rank].begin(), parts[rank].end());
    }
    return texts;
  }

  int64_t max(int64_t value) override {
    uint8_t bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    for (const auto part : exchange(kMax, bytes, sizeof(value))) {
      int64_t other = 0;
      std::memcpy(&other, part.data(), sizeof(other));
      value = std::max(value, other);
    }
    return value;
  }

 private:
  static std::span<const uint8_t> as_bytes(const std::string& text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  }

  // The keys of this Comm alone: a run may make several, one after another.
  StorePtr open_keys() {
    try {
      const int64_t which = root_->add("opened/" + std::to_string(launch_.rank), 1);
      return c10::make_intrusive<c10d::PrefixStore>(std::to_string(which), root_);
    } catch (const c10::Error& error) {
      fail_store(error);
    }
  }

  void check_hello() {
    const std::string mine = std::to_string(launch_.size);
    for (const auto part : exchange(kHello, as_bytes(mine), 0)) {
      const std::string other(part.begin(), part.end());
      if (other != mine) fail_rank(launch_, "another rank was told that there are " + other);
    }
  }

  std::string key(int64_t operation, int rank) const {
    return std::to_string(operation) + "/" + std::to_string(rank);
  }

  // Everyone's bytes, by rank; they live until the next call. `size`: which number of them every rank has; it
  // need not be that of `mine`. A peer has read the last operation but one before it posts for the last: its
  // keys may go.
  std::vector<std::span<const uint8_t>> exchange(Kind kind, std::span<const uint8_t> mine, size_t size) {
    const int64_t operation = operation_++;
    const Head head{kind, size};
    try {
      if (operation >= 2) store_->deleteKey(key(operation - 2, rank()));
      own_.resize(sizeof(head) + mine.size());
      std::memcpy(own_.data(), &head, sizeof(head));
      std::copy(mine.begin(), mine.end(), own_.begin() + sizeof(head));
      store_->set(key(operation, rank()), own_);
      received_ = read_peers(operation);
    } catch (const c10::Error& error) {
      fail_store(error);
    }
    std::vector<std::span<const uint8_t>> parts;
    size_t next = 0;
    for (int peer = 0; peer < launch_.size; ++peer) {
      const Bytes& bytes = peer == rank() ? own_ : received_[next++];
      if (bytes.size() < sizeof(head) || std::memcmp(bytes.data(), &head, sizeof(head)) != 0)
        fail_mixed(peer);
      parts.push_back(std::span(bytes).subspan(sizeof(head)));
      if ((kind == kSum || kind == kMax) && parts.back().size() != size) fail_mixed(peer);
    }
    return parts;
  }

  std::vector<Bytes> read_peers(int64_t operation) {
    std::vector<std::string> keys;
    for (int peer = 0; peer < launch_.size; ++peer) {
      if (peer != rank()) keys.push_back(key(operation, peer));
    }
    // The store's own wait() logs a warning whenever its time is over.
    const auto start = Clock::now();
    auto looked = start;
    while (!store_->check(keys)) {
      const auto now = Clock::now();
      if (now - looked > kLook) {
        check_peers(operation, now - start > timeout_);
        looked = now;
      }
      std::this_thread::sleep_for(std::min<Clock::duration>((now - start) / 16, kLongestPause));
    }
    return store_->multiGet(keys);
  }

  void check_peers(int64_t operation, bool late) {
    const std::vector<std::string> gone = watch_.gone();  // before their keys: what they left behind counts
    std::string missing;
    for (int peer = 0; peer < launch_.size; ++peer) {
      if (peer == rank() || store_->check({key(operation, peer)})) continue;
      if (const std::string& why = gone[static_cast<size_t>(peer)]; !why.empty())
        fail_rank(launch_, "rank " + std::to_string(peer) + " " + why);
      missing += (missing.empty() ? "rank " : ", rank ") + std::to_string(peer);
    }
    if (!late || missing.empty()) return;
    fail_rank(launch_, "no answer from its peers within " + std::to_string(timeout_.count() / 1000) +
                           " s: " + missing + (operation == 0 ? " did not start" : " did not get as far") +
                           "; PRUNE2TO4_RANKS_TIMEOUT=SECONDS waits longer");
  }

  [[noreturn]] void fail_mixed(int peer) const {
    fail_rank(launch_, "rank " + std::to_string(peer) +
                           " is at another step; all ranks need the same program, command line and data");
  }

  [[noreturn]] void fail_store(const c10::Error& error) const {
    fail_rank(launch_, std::string("the ranks' store has closed: ") +
                           (launch_.store_runs ? "the launcher" : "rank 0") +
                           " has ended; its own message says why (" + error.what_without_backtrace() + ")");
  }

  Launch launch_;
  int exceptions_ = std::uncaught_exceptions();
  Milliseconds timeout_;
  StorePtr root_;   // of all Comms of this run
  StorePtr store_;  // of this one
  PeerWatch watch_;
  int64_t operation_ = 0;
  Bytes own_;
  std::vector<Bytes> received_;  // by rank, without this one
};

}  // namespace

std::unique_ptr<WatchedComm> make_tcp_comm(const Launch& launch) { return std::make_unique<TcpComm>(launch); }

}  // namespace prune2to4
