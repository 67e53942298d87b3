# SPDX-License-Identifier: Apache-2.0
# The libraries that are loaded where there is a GPU; src/CMakeLists.txt includes this.

# What needs LibTorch's CUDA part; the tool loads it when a GPU is used.
if(TARGET prune2to4::torch_cuda)
  include(Prune2to4Cuda)
  add_library(prune2to4_cuda SHARED
    cuda/backend.cpp
    cuda/capture.cpp
    cuda/nccl_comm.cpp)
  prune2to4_torch_target(prune2to4_cuda)
  target_link_libraries(prune2to4_cuda PRIVATE prune2to4::torch_cuda)
  set_target_properties(prune2to4_cuda PROPERTIES
    BUILD_RPATH "$ORIGIN" LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
  if(PRUNE2TO4_HAVE_KERNELS)
    add_library(prune2to4_kernels OBJECT
      cuda/kernels/adamw.cu
      cuda/kernels/column_sum.cu
      cuda/kernels/dropout_add_norm.cu
      cuda/kernels/dropout_add_norm_backward.cu
      cuda/kernels/masked_norm.cu
      cuda/kernels/sum_norm.cu)
    set_source_files_properties(cuda/kernels/adamw.cu PROPERTIES COMPILE_OPTIONS
      "--prec-div=false;--prec-sqrt=false")
    set_target_properties(prune2to4_kernels PROPERTIES CUDA_STANDARD 17)  # CMake 3.25 has no flag for 20
    target_include_directories(prune2to4_kernels PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_compile_options(prune2to4_kernels PRIVATE
      -Xcompiler=-Wall,-Wextra,-Wshadow,-Wconversion,-fvisibility=hidden
      $<$<BOOL:${PRUNE2TO4_WERROR}>:--Werror=all-warnings>)
    target_sources(prune2to4_cuda PRIVATE cuda/fused.cpp cuda/optimizer_kernels.cpp $<TARGET_OBJECTS:prune2to4_kernels>)
    set_target_properties(prune2to4_cuda PROPERTIES LINKER_LANGUAGE CXX CUDA_RUNTIME_LIBRARY None)
  endif()
  if(PRUNE2TO4_HAVE_KERNELS AND PRUNE2TO4_CUTLASS_INCLUDE_DIR)
    # The 2:4 products and attention of a GPU; the operator library loads it when it first needs it.
    add_library(prune2to4_gemm OBJECT
      ops/cuda/attention/bfloat16.cu
      ops/cuda/attention/half.cu
      ops/cuda/gemm/bfloat16_bias.cu
      ops/cuda/gemm/bfloat16_gelu.cu
      ops/cuda/gemm/bfloat16_norm.cu
      ops/cuda/gemm/bfloat16_norm_gelu.cu
      ops/cuda/gemm/bfloat16_residual_norm.cu
      ops/cuda/gemm/compress.cu
      ops/cuda/gemm/half_bias.cu
      ops/cuda/gemm/half_gelu.cu
      ops/cuda/gemm/half_norm.cu
      ops/cuda/gemm/half_norm_gelu.cu
      ops/cuda/gemm/half_residual_norm.cu
      ops/cuda/gemm/row_norms.cu
      ops/cuda/gemm/stationary/bfloat16.cu
      ops/cuda/gemm/stationary/fragments.cu
      ops/cuda/gemm/stationary/half.cu)
    set_target_properties(prune2to4_gemm PROPERTIES CUDA_STANDARD 17 CUDA_ARCHITECTURES 90a-real)
    target_include_directories(prune2to4_gemm PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_include_directories(prune2to4_gemm SYSTEM PRIVATE
      "${PRUNE2TO4_CUTLASS_INCLUDE_DIR}" "${PRUNE2TO4_CUTLASS_INCLUDE_DIR}/../tools/util/include")
    target_compile_options(prune2to4_gemm PRIVATE --expt-relaxed-constexpr
      -Xcompiler=-Wall,-Wextra,-fvisibility=hidden $<$<BOOL:${PRUNE2TO4_WERROR}>:--Werror=all-warnings>)
    # Programmatic dependent launch.
    target_compile_definitions(prune2to4_gemm PRIVATE CUTLASS_ENABLE_GDC_FOR_SM90)
    add_library(prune2to4_ops_cuda SHARED
      ops/cuda/attention_entry.cpp
      ops/cuda/cutlass_backend.cpp
      ops/cuda/dense_gemm.cpp
      ops/cuda/join_gemms.cpp
      $<TARGET_OBJECTS:prune2to4_gemm>)
    # cuSPARSELt itself is loaded when it is needed.
    if(Prune2to4Torch_CUSPARSELT_VERSION STREQUAL "none")
      message(STATUS "No cuSPARSELt: its header was not found; 2:4 layers run 2:4 on GPUs of compute capability 9.0 only")
      target_sources(prune2to4_ops_cuda PRIVATE ops/cuda/no_cusparselt.cpp)
    else()
      target_sources(prune2to4_ops_cuda PRIVATE
        ops/cuda/cusparselt.cpp ops/cuda/cusparselt_gemm.cpp ops/cuda/cusparselt_plan.cpp)
      target_include_directories(prune2to4_ops_cuda SYSTEM PRIVATE "${Prune2to4Torch_CUSPARSELT_INCLUDE_DIR}")
    endif()
    prune2to4_torch_target(prune2to4_ops_cuda)
    target_link_libraries(prune2to4_ops_cuda PRIVATE prune2to4::torch_cuda "${PRUNE2TO4_CUBLASLT_LIBRARY}")
    target_compile_definitions(prune2to4_ops_cuda PRIVATE PRUNE2TO4_VERSION="${PROJECT_VERSION}")
    set_target_properties(prune2to4_ops_cuda PROPERTIES
      BUILD_RPATH "$ORIGIN" LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}" LINKER_LANGUAGE CXX CUDA_RUNTIME_LIBRARY None)
    # Times a GPU's kernels, in a process of its own that the operator library starts; it lies beside the library.
    add_executable(prune2to4_sweep ops/cuda/sweep_main.cpp)
    prune2to4_target(prune2to4_sweep)
    target_link_libraries(prune2to4_sweep PRIVATE prune2to4_ops)
    set_target_properties(prune2to4_sweep PROPERTIES
      BUILD_RPATH "$ORIGIN" RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
    add_dependencies(prune2to4_ops_cuda prune2to4_sweep)
  endif()
  if(NOT PRUNE2TO4_HAVE_KERNELS)
    target_sources(prune2to4_cuda PRIVATE cuda/no_kernels.cpp)
  endif()
else()
  message(STATUS "No CUDA backend: ${Prune2to4Torch_CUDA_MISSING} not found")
endif()
