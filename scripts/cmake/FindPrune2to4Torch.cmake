# SPDX-License-Identifier: Apache-2.0
# LibTorch by hand: find_package(Torch) needs a CUDA toolkit wherever the wheel was built with CUDA, takes 18 s
# and adds flags for 11 GPU architectures.
#
# In:   PRUNE2TO4_TORCH_ROOT  a folder with include/ and lib/ (a wheel's torch/ or an unpacked LibTorch archive);
#                             where unset: .venv of the source tree, then what `python3 -c "import torch"` finds
# Out:  prune2to4::torch      imported target (torch_cpu, c10)
#       prune2to4::torch_cuda imported target (torch_cuda, c10_cuda, the CUDA runtime, NCCL), where this LibTorch has
#                             CUDA and the headers are there: in NVIDIA's wheels beside it, else in a toolkit.
#                             Prune2to4Torch_CUDA_MISSING says what else is missing
#       Prune2to4Torch_VERSION, Prune2to4Torch_CUDA_VERSION, Prune2to4Torch_CUSPARSELT_VERSION ("none": not there),
#       Prune2to4Torch_CUSPARSELT_INCLUDE_DIR

if(NOT PRUNE2TO4_TORCH_ROOT)
  file(GLOB _candidates "${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  if(NOT _candidates)
    execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
                    OUTPUT_VARIABLE _candidates OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  list(GET _candidates 0 _first)
  set(PRUNE2TO4_TORCH_ROOT "${_first}" CACHE PATH "LibTorch: a folder with include/ and lib/" FORCE)
endif()

set(_include "${PRUNE2TO4_TORCH_ROOT}/include")
set(_lib "${PRUNE2TO4_TORCH_ROOT}/lib")
# "2.11.0" of the lines that define PREFIX_MAJOR, PREFIX_MINOR and PREFIX_PATCH in `header`.
function(_prune2to4_version header prefix result)
  file(STRINGS "${header}" lines REGEX "#define ${prefix}_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]+" "" lines "${lines}")
  string(REPLACE ";" "." version "${lines}")
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

set(Prune2to4Torch_VERSION "")
foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(NOT Prune2to4Torch_VERSION AND EXISTS "${_include}/${_header}")
    _prune2to4_version("${_include}/${_header}" TORCH_VERSION Prune2to4Torch_VERSION)
  endif()
endforeach()

set(Prune2to4Torch_CUDA_VERSION "none")
if(EXISTS "${_lib}/libtorch_cuda.so" AND EXISTS "${PRUNE2TO4_TORCH_ROOT}/version.py")
  file(STRINGS "${PRUNE2TO4_TORCH_ROOT}/version.py" _line REGEX "^cuda.*= '")
  string(REGEX REPLACE ".*'(.*)'.*" "\\1" Prune2to4Torch_CUDA_VERSION "${_line}")
endif()

set(Prune2to4Torch_CUSPARSELT_VERSION "none")
set(Prune2to4Torch_CUSPARSELT_INCLUDE_DIR "${PRUNE2TO4_TORCH_ROOT}/../nvidia/cusparselt/include")
set(_cusparselt "${Prune2to4Torch_CUSPARSELT_INCLUDE_DIR}/cusparseLt.h")
if(EXISTS "${_cusparselt}")
  _prune2to4_version("${_cusparselt}" CUSPARSELT_VER Prune2to4Torch_CUSPARSELT_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Prune2to4Torch
  REQUIRED_VARS PRUNE2TO4_TORCH_ROOT Prune2to4Torch_VERSION
  VERSION_VAR Prune2to4Torch_VERSION
  REASON_FAILURE_MESSAGE "Run scripts/setup.sh, or set PRUNE2TO4_TORCH_ROOT to LibTorch's folder")

if(Prune2to4Torch_FOUND AND NOT TARGET prune2to4::torch)
  add_library(prune2to4::torch INTERFACE IMPORTED)
  target_include_directories(prune2to4::torch SYSTEM INTERFACE
    "${_include}" "${_include}/torch/csrc/api/include")
  target_compile_features(prune2to4::torch INTERFACE cxx_std_17)
  foreach(_name torch_cpu c10)
    add_library(prune2to4::${_name} SHARED IMPORTED)
    set_target_properties(prune2to4::${_name} PROPERTIES IMPORTED_LOCATION "${_lib}/lib${_name}.so")
    target_link_libraries(prune2to4::torch INTERFACE prune2to4::${_name})
  endforeach()
endif()

# The CUDA part. Sets Prune2to4Torch_CUDA_MISSING in the caller's scope: empty when nothing is.
function(_prune2to4_find_cuda torch_lib)
  set(nvidia "${PRUNE2TO4_TORCH_ROOT}/../nvidia")
  string(REGEX MATCH "^[0-9]+" major "${Prune2to4Torch_CUDA_VERSION}")
  set(runtime_names "libcudart.so.${major}" "libcudart.so")
  # cuSOLVER's header, too, which ATen's CUDA headers include.
  find_path(PRUNE2TO4_CUDA_INCLUDE_DIR cusolverDn.h
    HINTS "${nvidia}/cu${major}/include" "$ENV{CUDA_HOME}/include" PATHS "/usr/local/cuda/include")
  find_library(PRUNE2TO4_CUDA_RUNTIME NAMES ${runtime_names} NAMES_PER_DIR
    HINTS "${nvidia}/cu${major}/lib" "${torch_lib}" "$ENV{CUDA_HOME}/lib64" PATHS "/usr/local/cuda/lib64")
  find_library(PRUNE2TO4_CUBLASLT_LIBRARY NAMES "libcublasLt.so.${major}" libcublasLt.so NAMES_PER_DIR
    HINTS "${nvidia}/cu${major}/lib" "${torch_lib}" "$ENV{CUDA_HOME}/lib64" PATHS "/usr/local/cuda/lib64")
  find_path(PRUNE2TO4_NCCL_INCLUDE_DIR nccl.h HINTS "${nvidia}/nccl/include")
  find_library(PRUNE2TO4_NCCL_LIBRARY NAMES libnccl.so.2 libnccl.so NAMES_PER_DIR
    HINTS "${nvidia}/nccl/lib" "${torch_lib}")
  mark_as_advanced(PRUNE2TO4_CUDA_INCLUDE_DIR PRUNE2TO4_CUDA_RUNTIME PRUNE2TO4_CUBLASLT_LIBRARY
    PRUNE2TO4_NCCL_INCLUDE_DIR PRUNE2TO4_NCCL_LIBRARY)
  set(missing "")
  foreach(name CUDA_INCLUDE_DIR CUDA_RUNTIME CUBLASLT_LIBRARY NCCL_INCLUDE_DIR NCCL_LIBRARY)
    if(NOT PRUNE2TO4_${name})
      list(APPEND missing PRUNE2TO4_${name})
    endif()
  endforeach()
  if(NOT EXISTS "${torch_lib}/libtorch_cuda.so")
    set(missing "libtorch_cuda.so")
  endif()
  set(Prune2to4Torch_CUDA_MISSING "${missing}" PARENT_SCOPE)
endfunction()

if(Prune2to4Torch_FOUND AND NOT TARGET prune2to4::torch_cuda)
  _prune2to4_find_cuda("${_lib}")
  if(NOT Prune2to4Torch_CUDA_MISSING)
    foreach(_name torch_cuda c10_cuda)
      add_library(prune2to4::lib${_name} SHARED IMPORTED)
      set_target_properties(prune2to4::lib${_name} PROPERTIES IMPORTED_LOCATION "${_lib}/lib${_name}.so")
    endforeach()
    add_library(prune2to4::torch_cuda INTERFACE IMPORTED)
    target_include_directories(prune2to4::torch_cuda SYSTEM INTERFACE
      "${PRUNE2TO4_CUDA_INCLUDE_DIR}" "${PRUNE2TO4_NCCL_INCLUDE_DIR}")
    # libtorch_cuda.so registers its kernels when it is loaded, whether or not a symbol of it is used.
    target_link_libraries(prune2to4::torch_cuda INTERFACE prune2to4::torch
      "-Wl,--push-state,--no-as-needed" prune2to4::libtorch_cuda prune2to4::libc10_cuda "-Wl,--pop-state"
      "${PRUNE2TO4_CUDA_RUNTIME}" "${PRUNE2TO4_NCCL_LIBRARY}")
  endif()
endif()
