// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/comm.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "dist/rank_processes.h"
#include "prune2to4/cuda_backend.h"

namespace prune2to4 {
namespace {

void require_all_passed(const std::vector<RankResult>& results) {
  for (const RankResult& result : results) {
    CATCH_INFO(result.text);
    CATCH_REQUIRE(result.status == 0);
  }
}

}  // namespace

CATCH_TEST_CASE("one process is a Comm of its own") {
  const auto comm = make_comm({}, at::kCPU);
  const at::Tensor tensor = at::arange(10, at::kFloat);
  comm->all_reduce(tensor);
  comm->broadcast(tensor);
  comm->wait();
  comm->barrier();
  CATCH_CHECK(at::equal(tensor, at::arange(10, at::kFloat)));
  CATCH_CHECK(comm->all_gather("a") == std::vector<std::string>{"a"});
  CATCH_CHECK(comm->max(-5) == -5);
  CATCH_CHECK(comm->size() == 1);
}

CATCH_TEST_CASE("sums are those in the order of the ranks, to the bit, on every rank") {
  for (const int size : {1, 2, 3, 4}) require_all_passed(run_ranks(size, "rank: sums"));
}

CATCH_TEST_CASE("every rank has everyone's texts and numbers, and rank 0's tensors") {
  for (const int size : {1, 2, 3, 4}) {
    require_all_passed(run_ranks(size, "rank: texts and numbers"));
    require_all_passed(run_ranks(size, "rank: broadcast"));
  }
}

CATCH_TEST_CASE("the store does not grow with the number of operations") {
  for (const int size : {2, 3}) require_all_passed(run_ranks(size, "rank: many operations"));
}

CATCH_TEST_CASE("a run may make one Comm after another") {
  require_all_passed(run_ranks(3, "rank: one Comm after another"));
}

CATCH_TEST_CASE("a slow rank is waited for") { require_all_passed(run_ranks(2, "rank: slow")); }

CATCH_TEST_CASE("when a rank is killed the others say which, and end") {
  const auto results = run_ranks(3, "rank: killed", {{"PRUNE2TO4_RANKS_TIMEOUT", "4"}});
  CATCH_CHECK(results[1].status == 128 + SIGKILL);
  require_all_passed({results[0], results[2]});
}

CATCH_TEST_CASE("when a rank fails the others say which, long before the timeout") {
  require_all_passed(run_ranks(3, "rank: throws"));
}

CATCH_TEST_CASE("when the rank that keeps the store is killed the others end at once") {
  const auto results = run_ranks(3, "rank: the first is killed");
  CATCH_CHECK(results[0].status == 128 + SIGKILL);
  require_all_passed({results[1], results[2]});
}

CATCH_TEST_CASE("a rank that ends before the others is named") {
  require_all_passed(run_ranks(2, "rank: ends early"));
}

CATCH_TEST_CASE("a thread watches the peers, whatever the rank is doing") {
  const auto results = run_ranks(2, "rank: waits for the lost");
  require_all_passed({results[0]});
  CATCH_CHECK(results[1].status != 0);
}

CATCH_TEST_CASE("ranks that do not the same are found out") {
  require_all_passed(run_ranks(2, "rank: other steps"));
}

CATCH_TEST_CASE("a rank that never starts is named") {
  require_all_passed(
      run_ranks(1, "rank: cannot start",
                {{"WORLD_SIZE", "2"},
                 {"PRUNE2TO4_RANKS_TIMEOUT", "2"},
                 {"EXPECTED", "rank 0 of 2: no answer from its peers within 2 s: rank 1 did not start"}}));
}

CATCH_TEST_CASE("a store that is not there, or whose port is taken, is an error that says where") {
  const std::string port = std::to_string(free_port());
  const auto elsewhere =
      run_ranks(2, "rank: cannot start",
                {{"MASTER_ADDR", "127.0.0.2"},
                 {"MASTER_PORT", port},
                 {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                 {"PRUNE2TO4_RANKS_TIMEOUT", "2"},
                 {"EXPECTED", "cannot reach the ranks' store at 127.0.0.2, port " + port}});
  require_all_passed(elsewhere);

  c10d::TCPStoreOptions options;
  options.port = free_port();
  options.isServer = true;
  options.waitWorkers = false;
  const c10d::TCPStore taken("127.0.0.1", options);
  const std::string taken_port = std::to_string(options.port);
  require_all_passed(run_ranks(1, "rank: cannot start",
                               {{"WORLD_SIZE", "2"},
                                {"MASTER_PORT", taken_port},
                                {"EXPECTED", "port " + taken_port + " is taken; set MASTER_PORT"}}));
}

CATCH_TEST_CASE("ranks find the store that the launcher runs") {
  c10d::TCPStoreOptions options;
  options.port = free_port();
  options.isServer = true;
  options.waitWorkers = false;
  const c10d::TCPStore agent("127.0.0.1", options);
  for (const std::string restart : {"0", "1"}) {
    require_all_passed(run_ranks(2, "rank: one Comm after another",
                                 {{"MASTER_PORT", std::to_string(options.port)},
                                  {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                  {"TORCHELASTIC_RESTART_COUNT", restart}}));
  }
}

CATCH_TEST_CASE("a timeout that is no number of seconds is refused") {
  for (const char* value : {"0", "ten", "5s", "-1"}) {
    ::setenv("PRUNE2TO4_RANKS_TIMEOUT", value, 1);
    CATCH_CHECK_THROWS_WITH(make_tcp_comm({}),
                            Catch::Contains("PRUNE2TO4_RANKS_TIMEOUT='" + std::string(value)));
  }
  ::unsetenv("PRUNE2TO4_RANKS_TIMEOUT");
}

CATCH_TEST_CASE("without the CUDA part the error says so") {
  CATCH_CHECK_THROWS_WITH(cuda_backend(), Catch::Contains("libprune2to4_cuda.so"));
}

}  // namespace prune2to4
