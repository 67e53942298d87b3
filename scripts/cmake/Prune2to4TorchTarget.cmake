# SPDX-License-Identifier: Apache-2.0
# Needs prune2to4::torch and OpenMP::OpenMP_CXX.

# What libraries that include LibTorch's headers have besides what prune2to4_target sets. Without OpenMP, at::parallel_for is
# serial.
function(_prune2to4_torch_flags target)
  prune2to4_target(${target})
  target_link_libraries(${target} PUBLIC prune2to4::torch PRIVATE OpenMP::OpenMP_CXX)
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
endfunction()

# The headers take 6 s a file, so that all libraries share one precompiled form of them, which asks for the same flags in
# all. It belongs to a library without files of its own.
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/torch_headers.cpp" CONTENT "")
add_library(prune2to4_torch_headers OBJECT "${CMAKE_BINARY_DIR}/torch_headers.cpp")
_prune2to4_torch_flags(prune2to4_torch_headers)
target_precompile_headers(prune2to4_torch_headers PRIVATE <ATen/TensorOperators.h> <torch/csrc/jit/api/module.h>)

# What every library that includes LibTorch's headers calls.
function(prune2to4_torch_target target)
  _prune2to4_torch_flags(${target})
  target_precompile_headers(${target} REUSE_FROM prune2to4_torch_headers)
endfunction()
