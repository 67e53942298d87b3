// SPDX-License-Identifier: Apache-2.0
// What each process of comm_test.cpp does: hidden cases, which run_ranks() starts.
#include "prune2to4/comm.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "dist/rank_processes.h"
#include "prune2to4/cuda_backend.h"
#include "prune2to4/error.h"

namespace prune2to4 {
namespace {

// One rank's part, which every rank can make; sizes so different that the order of a sum shows.
at::Tensor part(int rank, int64_t count, at::ScalarType type) {
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(rank) + 1);
  const at::Tensor numbers = at::randn({count}, generator, at::kDouble).mul(std::pow(1000.0, rank % 3));
  return type == at::kLong ? numbers.mul(1e6).to(type) : numbers.to(type);
}

std::unique_ptr<Comm> comm_of_environment() { return make_comm(discover_launch(), at::kCPU); }

std::string refusal(const std::function<void()>& work) {
  try {
    work();
    return "accepted";
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kDevice);
    return error.what();
  }
}

// Sums until a peer is gone; rank 1 goes at its fifth step as `go` says.
void sum_until_gone(const std::function<void()>& go, const std::string& reason) {
  const auto comm = comm_of_environment();
  const at::Tensor tensor = at::full({1000}, 1.0F);
  const auto start = std::chrono::steady_clock::now();
  const std::string message = refusal([&] {
    for (int step = 0; step < 1000000; ++step) {
      if (step == 5 && comm->rank() == 1) go();
      comm->all_reduce(tensor);
    }
  });
  CATCH_CHECK_THAT(message, Catch::Matches("\\[ranks\\] rank [02] of 3: (.|\n)*"));
  CATCH_CHECK_THAT(message, Catch::Matches("(.|\n)*(" + reason + ")(.|\n)*"));
  CATCH_CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}

}  // namespace

CATCH_TEST_CASE("rank: sums", "[.rank]") {
  const auto comm = comm_of_environment();
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kLong}) {
    for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{300000}}) {
      at::Tensor expected = part(0, count, type);
      for (int rank = 1; rank < comm->size(); ++rank) expected += part(rank, count, type);
      const at::Tensor tensor = part(comm->rank(), count, type);
      comm->all_reduce(tensor);
      comm->wait();
      CATCH_CHECK(at::equal(tensor, expected));
    }
  }
}

CATCH_TEST_CASE("rank: texts and numbers", "[.rank]") {
  const auto comm = comm_of_environment();
  const int last = comm->size() - 1;
  CATCH_CHECK(comm->max(comm->rank() == last ? 7 : -3) == (last >= 0 ? 7 : -3));
  CATCH_CHECK(comm->max(-10 - comm->rank()) == -10);
  comm->barrier();

  for (const size_t length : {size_t{0}, size_t{1}, size_t{700000}}) {
    const auto text_of = [&](int rank) {
      return std::string(length * static_cast<size_t>(rank + 1), static_cast<char>('a' + rank)) + '\0';
    };
    const auto texts = comm->all_gather(text_of(comm->rank()));
    CATCH_REQUIRE(texts.size() == static_cast<size_t>(comm->size()));
    for (int rank = 0; rank < comm->size(); ++rank)
      CATCH_CHECK(texts[static_cast<size_t>(rank)] == text_of(rank));
  }
  CATCH_CHECK(comm->all_gather("") == std::vector<std::string>(static_cast<size_t>(comm->size())));
}

CATCH_TEST_CASE("rank: broadcast", "[.rank]") {
  const auto comm = comm_of_environment();
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kLong, at::kByte}) {
    const at::Tensor tensor = part(comm->rank(), 300000, type);
    comm->broadcast(tensor);
    CATCH_CHECK(at::equal(tensor, part(0, 300000, type)));
  }
}

CATCH_TEST_CASE("rank: many operations", "[.rank]") {
  const Launch launch = discover_launch();
  const auto comm = make_comm(launch, at::kCPU);
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.waitWorkers = false;
  c10d::TCPStore store(launch.host, options);
  const at::Tensor tensor = at::empty({16});
  const auto work = [&](int count) {
    for (int step = 0; step < count; ++step) {
      tensor.fill_(comm->rank() + step);
      comm->all_reduce(tensor);
      const int ranks = comm->size();
      CATCH_REQUIRE(tensor.sum().item<float>() ==
                    static_cast<float>(16 * (ranks * step + ranks * (ranks - 1) / 2)));
      if (step % 10 == 0) comm->broadcast(tensor);
    }
    comm->barrier();
  };
  work(10);
  const int64_t before = store.getNumKeys();
  work(2000);
  CATCH_CHECK(store.getNumKeys() < before + 4 * comm->size());
}

CATCH_TEST_CASE("rank: one Comm after another", "[.rank]") {
  for (int round = 0; round < 3; ++round) {
    const auto comm = comm_of_environment();
    CATCH_CHECK(comm->max(round * 10 + comm->rank()) == round * 10 + comm->size() - 1);
  }
}

CATCH_TEST_CASE("rank: slow", "[.rank]") {
  const auto comm = comm_of_environment();
  if (comm->rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(3));
  CATCH_CHECK(comm->max(comm->rank()) == 1);
}

CATCH_TEST_CASE("rank: killed", "[.rank]") {
  sum_until_gone([] { ::raise(SIGKILL); },
                 "rank 1 has not been heard of for|within 4 s: rank 1 did not get as far");
}

CATCH_TEST_CASE("rank: throws", "[.rank]") {
  if (discover_launch().rank == 1) {
    CATCH_CHECK_THROWS_WITH(sum_until_gone([] { throw std::runtime_error("broken"); }, ""), "broken");
  } else {
    sum_until_gone([] {}, "rank 1 has failed");
  }
}

CATCH_TEST_CASE("rank: the first is killed", "[.rank]") {
  const auto comm = comm_of_environment();
  const auto start = std::chrono::steady_clock::now();
  const std::string message = refusal([&] {
    for (int step = 0; step < 1000000; ++step) {
      if (step == 5 && comm->rank() == 0) ::raise(SIGKILL);
      comm->barrier();
    }
  });
  CATCH_CHECK_THAT(message, Catch::Contains("store has closed: rank 0 has ended"));
  CATCH_CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

CATCH_TEST_CASE("rank: ends early", "[.rank]") {
  const auto comm = comm_of_environment();
  if (comm->rank() == 1) return;
  CATCH_CHECK_THAT(refusal([&] { comm->barrier(); }), Catch::Contains("rank 1 has ended"));
}

CATCH_TEST_CASE("rank: other steps", "[.rank]") {
  const auto comm = comm_of_environment();
  const at::Tensor tensor = at::full({comm->rank() == 0 ? 4 : 5}, 1.0F);
  CATCH_CHECK_THAT(refusal([&] { comm->all_reduce(tensor); }), Catch::Contains("is at another step"));
}

CATCH_TEST_CASE("rank: cannot start", "[.rank]") {
  const std::string message = refusal([] { comm_of_environment(); });
  CATCH_CHECK_THAT(message, Catch::Contains(std::getenv("EXPECTED")));
}

CATCH_TEST_CASE("rank: waits for the lost", "[.rank]") {
  const auto comm = make_tcp_comm(discover_launch());
  comm->barrier();
  if (comm->rank() == 1) throw std::runtime_error("broken");
  std::string seen;
  std::mutex mutex;
  comm->on_watch([&](const std::string& lost) {
    const std::lock_guard lock(mutex);
    if (seen.empty()) seen = lost;
  });
  for (int i = 0; i < 100; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const std::lock_guard lock(mutex);
    if (!seen.empty()) break;
  }
  comm->on_watch({});
  CATCH_CHECK_THAT(seen, Catch::Contains("rank 1 has failed"));
}

}  // namespace prune2to4
