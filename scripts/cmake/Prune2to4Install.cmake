# SPDX-License-Identifier: Apache-2.0
# The tool, the operator library with its public headers, and a CMake package for it:
#   find_package(prune2to4 REQUIRED)
#   add_executable(app main.cpp)
#   target_link_libraries(app prune2to4::ops)
include(CMakePackageConfigHelpers)

set_target_properties(prune2to4 prune2to4_ops PROPERTIES
  INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${PRUNE2TO4_TORCH_ROOT}/lib")
# Nothing of an application need refer to the library: loading it registers the operators.
target_link_options(prune2to4_ops INTERFACE "LINKER:--no-as-needed")

set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/prune2to4")
install(TARGETS prune2to4 RUNTIME)
install(TARGETS prune2to4_ops EXPORT prune2to4 LIBRARY)
if(TARGET prune2to4_cuda)
  set_target_properties(prune2to4_cuda PROPERTIES INSTALL_RPATH "$ORIGIN;${PRUNE2TO4_TORCH_ROOT}/lib")
  install(TARGETS prune2to4_cuda LIBRARY)
endif()
if(TARGET prune2to4_ops_cuda)
  set_target_properties(prune2to4_ops_cuda PROPERTIES INSTALL_RPATH "${PRUNE2TO4_TORCH_ROOT}/lib")
  set_target_properties(prune2to4_sweep PROPERTIES INSTALL_RPATH "$ORIGIN;${PRUNE2TO4_TORCH_ROOT}/lib")
  install(TARGETS prune2to4_ops_cuda LIBRARY)
  install(TARGETS prune2to4_sweep RUNTIME DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
install(FILES
  "${CMAKE_SOURCE_DIR}/include/prune2to4/api.h"
  "${CMAKE_SOURCE_DIR}/include/prune2to4/fused_linear.h"
  "${CMAKE_SOURCE_DIR}/include/prune2to4/mask.h"
  "${CMAKE_SOURCE_DIR}/include/prune2to4/packed_matrix.h"
  "${CMAKE_SOURCE_DIR}/include/prune2to4/packed_weight.h"
  "${CMAKE_SOURCE_DIR}/include/prune2to4/tensor_mask.h"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/prune2to4")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/configs/" DESTINATION "${CMAKE_INSTALL_DATADIR}/prune2to4/configs")
install(EXPORT prune2to4 NAMESPACE prune2to4:: FILE prune2to4-targets.cmake DESTINATION "${_package}")
configure_package_config_file("${CMAKE_SOURCE_DIR}/scripts/cmake/prune2to4-config.cmake.in"
  "${CMAKE_BINARY_DIR}/prune2to4-config.cmake" INSTALL_DESTINATION "${_package}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/prune2to4-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_BINARY_DIR}/prune2to4-config.cmake"
  "${CMAKE_BINARY_DIR}/prune2to4-config-version.cmake"
  "${CMAKE_SOURCE_DIR}/scripts/cmake/FindPrune2to4Torch.cmake"
  DESTINATION "${_package}")
