// SPDX-License-Identifier: Apache-2.0
#include "calibration/linear_observer.h"

#include <string_view>
#include <utility>

namespace prune2to4 {
namespace {

constexpr size_t kArguments = 3;  // aten::linear(input, weight, bias)

// A callback of LibTorch's is a plain function.
thread_local LinearObserver* observer = nullptr;

}  // namespace

LinearObserver::LinearObserver(See see)
    : see_(std::move(see)),
      handle_(at::addThreadLocalCallback(
          at::RecordFunctionCallback(on_call).needsInputs(true).scopes({at::RecordScope::FUNCTION}))) {
  observer = this;
}

LinearObserver::~LinearObserver() {
  observer = nullptr;
  at::removeCallback(handle_);
}

void LinearObserver::rethrow() const {
  if (failure_) std::rethrow_exception(failure_);
}

std::unique_ptr<at::ObserverContext> LinearObserver::on_call(const at::RecordFunction& call) {
  LinearObserver* self = observer;
  if (self == nullptr || self->failure_ || std::string_view(call.name()) != "aten::linear") return nullptr;
  // The interpreter hands over its whole stack; input, weight and bias are on its top.
  const auto stack = call.inputs();
  if (stack.size() < kArguments) return nullptr;
  const auto arguments = stack.slice(stack.size() - kArguments);
  try {
    self->see_(arguments[0].toTensor(), arguments[1].toTensor());
  } catch (...) {
    self->failure_ = std::current_exception();
  }
  return nullptr;
}

}  // namespace prune2to4
