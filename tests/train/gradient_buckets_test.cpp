// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_buckets.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

namespace prune2to4 {
namespace {

constexpr int64_t kElements = int64_t{7} << 20;  // more than one range holds

// Of two ranks that have the same gradients.
class Doubling : public Comm {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void all_reduce(const at::Tensor& tensor) override {
    sent.push_back(tensor.const_data_ptr());
    tensor.mul_(2);
  }
  void wait() override {}
  void broadcast(const at::Tensor&) override {}
  std::vector<std::string> all_gather(const std::string& text) override { return {text, text}; }
  int64_t max(int64_t value) override { return value; }

  std::vector<const void*> sent;
};

Parameters three_parameters() {
  const at::Tensor big = at::ones({1, kElements});
  return make_parameters({{"a", big}, {"b", big}, {"c", big}}, {}, at::kCPU);
}

}  // namespace

CATCH_TEST_CASE("gradients are summed in ranges as they come, each once, the last parameters' first") {
  Parameters parameters = three_parameters();
  Doubling comm;
  GradientBuckets buckets(parameters, comm);
  const auto& list = parameters.list;
  (list[0].value * 1).sum().backward();  // of an earlier pass of the step
  CATCH_CHECK(comm.sent.empty());

  buckets.begin();
  const auto sent = [&] { return comm.sent.size(); };
  (list[1].value * 2).sum().backward();
  CATCH_CHECK(sent() == 0);  // it waits for the range before it
  (list[2].value * 3).sum().backward();
  CATCH_CHECK(sent() == 2);
  (list[0].value * 4).sum().backward();
  CATCH_CHECK(sent() == 3);
  buckets.finish();
  CATCH_CHECK(comm.sent == std::vector<const void*>{list[2].gradient.const_data_ptr(),
                                                    list[1].gradient.const_data_ptr(),
                                                    list[0].gradient.const_data_ptr()});
  CATCH_CHECK(list[0].gradient.eq(2 * (1 + 4)).all().item<bool>());
  CATCH_CHECK(list[1].gradient.eq(2 * 2).all().item<bool>());
  CATCH_CHECK(list[2].gradient.eq(2 * 3).all().item<bool>());
  (list[2].value * 1).sum().backward();  // of the next step
  CATCH_CHECK(sent() == 3);
}

CATCH_TEST_CASE("a parameter without a gradient does not hold up the others'") {
  Parameters parameters = three_parameters();
  Doubling comm;
  GradientBuckets buckets(parameters, comm);
  buckets.begin();
  (parameters.list[0].value * 5).sum().backward();
  CATCH_CHECK(comm.sent.empty());
  buckets.finish();
  CATCH_CHECK(comm.sent.size() == 3);
  CATCH_CHECK(parameters.list[0].gradient.eq(10).all().item<bool>());
  CATCH_CHECK(parameters.list[2].gradient.eq(0).all().item<bool>());
}

}  // namespace prune2to4
