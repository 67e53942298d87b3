# SPDX-License-Identifier: Apache-2.0

# What every target of ours has: warnings as errors, public headers, sanitizers when asked for.
function(prune2to4_target target)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE "${CMAKE_SOURCE_DIR}/src")
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion $<$<BOOL:${PRUNE2TO4_WERROR}>:-Werror>)
  # g++ 12 sees overlapping copies in std::string's operator+ (its bug 105651).
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
  if(PRUNE2TO4_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=all
      -fno-omit-frame-pointer
      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # g++ 12 finds it in std::regex and Catch2 then
    target_link_options(${target} PRIVATE -fsanitize=address,undefined)
  endif()
endfunction()

# Writes `output`, a .cpp that defines `const char* const name` in namespace prune2to4 with the text of `file`:
# the file in configs/ is the only copy.
function(prune2to4_embed output name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(READ "${file}" text)
  file(CONFIGURE OUTPUT "${output}" @ONLY CONTENT
[[#include "core/schemas.h"
const char* const prune2to4::@name@ = R"__json__(@text@)__json__";
]])
endfunction()
