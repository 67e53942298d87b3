// SPDX-License-Identifier: Apache-2.0
#include "ops/kernel_cache.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>
#include <vector>

#include "core/temporary_folder.h"
#include "ops/warnings.h"

namespace prune2to4 {
namespace {

const ProductShape kShape{0, at::kHalf, 2304, 768, 6144, {}, true};
const ProductShape kGelu{0, at::kHalf, 3072, 768, 6144, {Activation::kGelu, false}, true};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

CATCH_TEST_CASE("a cache keeps what was found, for another process of the same environment") {
  const TemporaryFolder folder;
  const auto file = folder / "deep" / "kernels.txt";
  Warnings warnings;
  KernelCache cache(file, "a GPU\nof two lines");
  CATCH_CHECK_FALSE(cache.find(kShape));
  cache.add(kShape, "dense");
  cache.add(kGelu, "2:4 128x128x128 pingpong, cluster 2x1");
  cache.add(kShape, "2:4 128x128x128 pingpong");
  const KernelCache again(file, "a GPU\nof two lines");
  CATCH_CHECK(again.find(kShape) == "2:4 128x128x128 pingpong");
  CATCH_CHECK(again.find(kGelu) == "2:4 128x128x128 pingpong, cluster 2x1");
  std::vector<ProductShape> others(8, kShape);
  others[0].out += 8;
  others[1].in += 8;
  others[2].tokens += 8;
  others[3].dtype = at::kBFloat16;
  others[4].epilogue.activation = Activation::kGelu;
  others[5].epilogue.residual = true;
  others[6].sparse = false;
  others[7].epilogue.norm = true;
  for (const ProductShape& other : others) CATCH_CHECK_FALSE(again.find(other));
  CATCH_CHECK(warnings.texts().empty());
}

CATCH_TEST_CASE("a damaged or foreign cache is ignored with a warning, and written anew") {
  const TemporaryFolder folder;
  const auto file = folder / "kernels.txt";
  KernelCache(file, "a GPU").add(kShape, "dense");
  const std::string good = text_of(file);
  CATCH_REQUIRE(good.find("\tdense\n") != std::string::npos);
  std::vector<std::string> bad{"",
                               "\n",
                               "prune2to4 kernels 4\na GPU\n",
                               good + "Half\t8\n",
                               good + "\n",
                               good + "failed\t\n",
                               "prune2to4 kernels 3\nanother GPU\n" + good.substr(good.find("Half")),
                               std::string(1000, '\0')};
  for (size_t length = 0; length < good.find("\tdense"); ++length) bad.push_back(good.substr(0, length));
  for (const std::string& text : bad) {
    CATCH_INFO(text);
    std::ofstream(file) << text;
    Warnings warnings;
    KernelCache cache(file, "a GPU");
    CATCH_CHECK_FALSE(cache.find(kShape));
    // A whole header with nothing behind it is an empty cache.
    const bool empty = text == "prune2to4 kernels 3\na GPU" || text == "prune2to4 kernels 3\na GPU\n";
    CATCH_CHECK(warnings.texts().size() == (text.empty() || empty ? 0 : 1));
    cache.add(kShape, "dense");
    CATCH_CHECK(text_of(file) == good);
  }
}

CATCH_TEST_CASE("a cache that cannot be written is warned of once, and what was there stays") {
  const TemporaryFolder folder;
  const auto blocked = folder / "file";
  std::ofstream(blocked) << "in the way";
  Warnings warnings;
  KernelCache cache(blocked / "kernels.txt", "a GPU");
  cache.add(kShape, "dense");
  cache.add(kGelu, "dense");
  CATCH_REQUIRE(warnings.texts().size() == 1);
  CATCH_CHECK(warnings.texts().front().find("PRUNE2TO4_CACHE") != std::string::npos);
  CATCH_CHECK(text_of(blocked) == "in the way");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("two caches of one file keep what the other found") {
  const TemporaryFolder folder;
  KernelCache one(folder / "kernels.txt", "a GPU");
  KernelCache two(folder / "kernels.txt", "a GPU");
  one.add(kShape, "one");
  two.add(kGelu, "two");
  one.add({0, at::kHalf, 8, 8, 256, {}, true}, "three");
  const KernelCache all(folder / "kernels.txt", "a GPU");
  CATCH_CHECK(all.find(kShape) == "one");
  CATCH_CHECK(all.find(kGelu) == "two");
  CATCH_CHECK(folder.size() == 1);
}

CATCH_TEST_CASE("a cache keeps which kernels failed, whatever the shape") {
  const TemporaryFolder folder;
  Warnings warnings;
  KernelCache cache(folder / "kernels.txt", "a GPU");
  KernelCache other(folder / "kernels.txt", "a GPU");
  CATCH_CHECK(cache.failed().empty());
  cache.add(kShape, "dense");
  cache.add_failed({"2:4 cuSPARSELt, algorithm 36", "2:4 cuSPARSELt, algorithm 37"});
  other.add_failed({"2:4 of another process"});
  const KernelCache again(folder / "kernels.txt", "a GPU");
  CATCH_CHECK(again.failed() == std::set<std::string>{"2:4 cuSPARSELt, algorithm 36",
                                                      "2:4 cuSPARSELt, algorithm 37",
                                                      "2:4 of another process"});
  CATCH_CHECK(again.find(kShape) == "dense");
  CATCH_CHECK(warnings.texts().empty());
}

CATCH_TEST_CASE("environments have files of their own") {
  CATCH_CHECK(kernel_cache_file("folder", "one") != kernel_cache_file("folder", "two"));
  CATCH_CHECK(kernel_cache_file("folder", "one") == kernel_cache_file("folder", "one"));
}

}  // namespace prune2to4
