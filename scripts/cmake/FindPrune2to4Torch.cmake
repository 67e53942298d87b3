# SPDX-License-Identifier: Apache-2.0
# LibTorch by hand: find_package(Torch) needs a CUDA toolkit wherever the wheel was built with CUDA, takes 18 s
# and adds flags for 11 GPU architectures.
#
# In:   PRUNE2TO4_TORCH_ROOT  a folder with include/ and lib/ (a wheel's torch/ or an unpacked LibTorch archive);
#                             where unset: .venv of the source tree, then what `python3 -c "import torch"` finds
# Out:  prune2to4::torch      imported target (torch_cpu, c10)
#       Prune2to4Torch_VERSION, Prune2to4Torch_CUDA_VERSION, Prune2to4Torch_CUSPARSELT_VERSION ("none": not there)

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
set(_cusparselt "${PRUNE2TO4_TORCH_ROOT}/../nvidia/cusparselt/include/cusparseLt.h")
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
