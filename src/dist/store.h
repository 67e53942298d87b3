// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <functional>
#include <string>

#include "prune2to4/launch.h"

namespace prune2to4 {

using StorePtr = c10::intrusive_ptr<c10d::Store>;

// A connection to the run's store, which rank 0 serves as long as its process lives unless launch.store_runs;
// keys carry the launch's prefix. On the loopback address nobody else can connect. Throws Error(kDevice)
// "[ranks] ..." when the store is not there within `timeout` or its port is taken.
StorePtr open_store(const Launch& launch, std::chrono::milliseconds timeout);

// Another connection to the same store: a waiting one answers nobody else.
StorePtr connect_again(const StorePtr& store);

// "[ranks] rank R of N: `message`".
[[noreturn]] void fail_rank(const Launch& launch, const std::string& message);

}  // namespace prune2to4
