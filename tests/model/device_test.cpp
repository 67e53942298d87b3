// SPDX-License-Identifier: Apache-2.0
#include "prune2to4/device.h"

#include <catch2/catch.hpp>

#include "prune2to4/error.h"

namespace prune2to4 {

CATCH_TEST_CASE("devices are resolved by name, and absent ones are refused") {
  CATCH_CHECK(resolve_device("cpu").is_cpu());
  for (const char* name : {"gpu", "", "cuda:", "cuda:x", "cuda:12345", "cpu:0"}) {
    try {
      resolve_device(name);
      CATCH_FAIL("accepted " << name);
    } catch (const Error& error) {
      CATCH_CHECK(error.status() == ExitStatus::kUsage);
    }
  }
  try {
    resolve_device("cuda:999");
    CATCH_FAIL("there is no such device");
  } catch (const Error& error) {
    CATCH_CHECK(error.status() == ExitStatus::kDevice);
  }
}

}  // namespace prune2to4
