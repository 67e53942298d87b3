# SPDX-License-Identifier: Apache-2.0
# Finds out whether the kernels of src/cuda/kernels can be compiled.
#
# In:   PRUNE2TO4_CUDA_KERNELS  AUTO: where this machine has an NVIDIA GPU, and nvcc as new as LibTorch's CUDA;
#                               ON: an error where nvcc is not there; OFF: without them, which has_kernels() tells
# Out:  PRUNE2TO4_HAVE_KERNELS, and language CUDA where it is true
#       PRUNE2TO4_CUTLASS_INCLUDE_DIR, for the kernels of src/ops/cuda; not found: they are left out

set(PRUNE2TO4_CUDA_KERNELS AUTO CACHE STRING "Compile the CUDA kernels: AUTO, ON or OFF")
set_property(CACHE PRUNE2TO4_CUDA_KERNELS PROPERTY STRINGS AUTO ON OFF)
set(PRUNE2TO4_HAVE_KERNELS OFF)
set(_why "not wanted")
if(PRUNE2TO4_CUDA_KERNELS)
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90a-real;90-virtual")
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
  if(NOT PRUNE2TO4_CUDA_KERNELS STREQUAL "AUTO")
    enable_language(CUDA)
  elseif(EXISTS "/dev/nvidiactl" OR EXISTS "/dev/dxg")  # NVIDIA's driver is loaded; the latter under WSL
    include(CheckLanguage)
    check_language(CUDA)
    set(_why "no nvcc of CUDA ${Prune2to4Torch_CUDA_VERSION}")
  else()
    set(_why "no NVIDIA GPU is here (--gpu builds them all the same)")
  endif()
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    string(REGEX MATCH "^[0-9]+" _torch "${Prune2to4Torch_CUDA_VERSION}")
    string(REGEX MATCH "^[0-9]+" _nvcc "${CMAKE_CUDA_COMPILER_VERSION}")
    if(_torch STREQUAL _nvcc)
      set(PRUNE2TO4_HAVE_KERNELS ON)
    elseif(NOT PRUNE2TO4_CUDA_KERNELS STREQUAL "AUTO")
      message(FATAL_ERROR "nvcc is of CUDA ${_nvcc}, LibTorch of CUDA ${_torch}: set CUDACXX to the latter's nvcc, or "
                          "PRUNE2TO4_CUDA_KERNELS to OFF")
    endif()
  endif()
endif()
# CUTLASS's headers: in NVIDIA's wheel beside LibTorch's, else where CUTLASS_PATH says.
find_path(PRUNE2TO4_CUTLASS_INCLUDE_DIR cutlass/cutlass.h
  HINTS "${PRUNE2TO4_TORCH_ROOT}/../cutlass_library/source/include" "$ENV{CUTLASS_PATH}/include" NO_DEFAULT_PATH)
if(PRUNE2TO4_HAVE_KERNELS AND NOT PRUNE2TO4_CUTLASS_INCLUDE_DIR)
  message(STATUS "No 2:4 kernels for GPUs: CUTLASS's headers were not found")
endif()
if(NOT PRUNE2TO4_HAVE_KERNELS)
  message(STATUS "No CUDA kernels of our own: ${_why}")
endif()
