# SPDX-License-Identifier: Apache-2.0
# The CPU's 2:4 kernels, without Torch: each file for one instruction set; which of them run is chosen at run time.
# src/CMakeLists.txt includes this.
add_library(prune2to4_cpu STATIC
  ops/cpu/levels.cpp
  ops/cpu/portable_kernels.cpp
  ops/cpu/weight_code.cpp
  ops/cpu/weight_layout.cpp)
prune2to4_target(prune2to4_cpu)
find_path(PRUNE2TO4_XBYAK_INCLUDE_DIR xbyak/xbyak.h REQUIRED)
target_include_directories(prune2to4_cpu SYSTEM PRIVATE "${PRUNE2TO4_XBYAK_INCLUDE_DIR}")
set_target_properties(prune2to4_cpu PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
set(_kernel_options -O3 -ffp-contract=fast)
set_source_files_properties(ops/cpu/portable_kernels.cpp PROPERTIES COMPILE_OPTIONS "${_kernel_options}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_sources(prune2to4_cpu PRIVATE
    ops/cpu/amx_kernels.cpp ops/cpu/avx2_kernels.cpp ops/cpu/avx512_bf16_kernels.cpp ops/cpu/avx512_kernels.cpp)
  set_source_files_properties(ops/cpu/avx2_kernels.cpp PROPERTIES COMPILE_OPTIONS
    "${_kernel_options};-mavx2;-mfma")
  # g++ 12's own headers are not clean: _mm512_max_ps reads what it leaves undefined.
  list(APPEND _kernel_options -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -Wno-maybe-uninitialized)
  set_source_files_properties(ops/cpu/avx512_kernels.cpp PROPERTIES COMPILE_OPTIONS "${_kernel_options}")
  set_source_files_properties(ops/cpu/avx512_bf16_kernels.cpp PROPERTIES COMPILE_OPTIONS
    "${_kernel_options};-mavx512bf16")
  set_source_files_properties(ops/cpu/amx_kernels.cpp PROPERTIES COMPILE_OPTIONS
    "${_kernel_options};-mavx512bf16;-mprfchw;-mamx-tile;-mamx-bf16")
endif()
