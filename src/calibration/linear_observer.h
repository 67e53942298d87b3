// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>

#include <exception>
#include <functional>

namespace prune2to4 {

// While one lives, `see` gets input and weight of every aten::linear that this thread calls, before the call
// runs; whatever makes the call, no graph is changed for it. LibTorch drops what an observer throws: call
// rethrow() behind the forward pass.
class LinearObserver {
 public:
  using See = std::function<void(const at::Tensor& input, const at::Tensor& weight)>;

  explicit LinearObserver(See see);
  ~LinearObserver();
  LinearObserver(const LinearObserver&) = delete;
  LinearObserver& operator=(const LinearObserver&) = delete;

  void rethrow() const;

 private:
  static std::unique_ptr<at::ObserverContext> on_call(const at::RecordFunction& call);

  See see_;
  std::exception_ptr failure_;
  at::CallbackHandle handle_;
};

}  // namespace prune2to4
