#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The installed tree runs from another folder, and a C++ program outside links the operator library.
load common

@test "the installed program runs, and a program outside the tree runs a sparse model" {
  cmake --install "$build" --prefix "$work/prefix" >/dev/null
  "$work/prefix/bin/prune2to4" prune model.pt --quiet >/dev/null
  mkdir app
  cp "$BATS_TEST_DIRNAME/app.cpp" app/main.cpp
  cat >app/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
find_package(prune2to4 REQUIRED)
add_executable(app main.cpp)
target_link_libraries(app prune2to4::ops)
END
  cmake -S app -B app/build -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
  cmake --build app/build >/dev/null
  local expected
  expected=$("$python" -c "
import torch; torch.ops.load_library('$ops')
ids = torch.arange(64).reshape(2, 32) + 5
print('%.4f' % torch.jit.load('model.2to4.pt')(ids, torch.ones_like(ids), torch.zeros_like(ids))[0].sum().item())")
  [[ $(app/build/app model.2to4.pt) == "$expected" ]]
}

@test "the build configures with a LibTorch that has no CUDA, and without a CUDA toolkit" {
  local torch
  torch=$("$python" -c 'import torch; print(torch.__path__[0])')
  mkdir -p cpu_torch/lib
  ln -s "$torch/include" cpu_torch/include
  ln -s "$torch"/lib/libtorch_cpu.so "$torch"/lib/libc10.so cpu_torch/lib/
  expect 0 "Build files have been written" -- env PATH=/usr/bin:/bin \
    cmake -S "$repository" -B cpu_build -G Ninja -DPRUNE2TO4_TORCH_ROOT="$work/cpu_torch"
  grep -q 'PRUNE2TO4_CUDA_VERSION=\\\?"none' cpu_build/build.ninja || grep -q 'CUDA_VERSION=.*none' cpu_build/build.ninja
}
