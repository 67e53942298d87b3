// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cusparseLt.h>

#include <mutex>
#include <string>

namespace prune2to4::cusparselt {

// Those used here, by their names without the prefix.
struct Functions {
  decltype(&cusparseLtInit) init;
  decltype(&cusparseLtGetProperty) get_property;
  decltype(&cusparseLtGetErrorString) error_string;
  decltype(&cusparseLtDenseDescriptorInit) init_dense;
  decltype(&cusparseLtStructuredDescriptorInit) init_structured;
  decltype(&cusparseLtMatDescriptorDestroy) destroy_matrix;
  decltype(&cusparseLtMatmulDescriptorInit) init_matmul;
  decltype(&cusparseLtMatmulDescSetAttribute) set_matmul;
  decltype(&cusparseLtMatmulAlgSelectionInit) init_algorithm;
  decltype(&cusparseLtMatmulAlgSelectionDestroy) destroy_algorithm;
  decltype(&cusparseLtMatmulAlgSetAttribute) set_algorithm;
  decltype(&cusparseLtMatmulAlgGetAttribute) get_algorithm;
  decltype(&cusparseLtMatmulPlanInit) init_plan;
  decltype(&cusparseLtMatmulPlanDestroy) destroy_plan;
  decltype(&cusparseLtMatmulGetWorkspace) get_workspace;
  decltype(&cusparseLtMatmul) matmul;
  decltype(&cusparseLtSpMMACompressedSize2) compressed_size;
  decltype(&cusparseLtSpMMACompress2) compress;
};

// libcusparseLt.so.0, loaded once. nullptr, and why, where it is not there or of another version than the
// header was.
const Functions* functions(std::string& reason);

// Throws c10::Error when a call has failed.
void check(const Functions& of, cusparseStatus_t status, const char* what);

// All calls with the handle are made under the mutex: nothing is promised of calls from several threads.
struct DeviceHandle {
  const Functions& of;
  std::mutex mutex;
  cusparseLtHandle_t handle{};
};

// Made once for each device, and never destroyed: at exit CUDA may be gone. Precondition: functions() are
// there.
DeviceHandle& device_handle(int device);

// Owns what one of the functions has made. It stays where it is: others may point to it.
template <typename T, auto kDestroy>
class Owned {
 public:
  explicit Owned(const Functions& of) : of_(of) {}
  ~Owned() {
    if (made_) (of_.*kDestroy)(&value_);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  T* get() { return &value_; }
  const T* get() const { return &value_; }
  // Of the function that makes it.
  bool made(cusparseStatus_t status) { return made_ = status == CUSPARSE_STATUS_SUCCESS; }

 private:
  const Functions& of_;
  T value_{};
  bool made_ = false;
};
using Matrix = Owned<cusparseLtMatDescriptor_t, &Functions::destroy_matrix>;
using Algorithm = Owned<cusparseLtMatmulAlgSelection_t, &Functions::destroy_algorithm>;
using Plan = Owned<cusparseLtMatmulPlan_t, &Functions::destroy_plan>;

}  // namespace prune2to4::cusparselt
