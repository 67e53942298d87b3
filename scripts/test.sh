#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, builds with the tests and runs them all.
#
#   scripts/test.sh [--gpu] [--preset dev|asan] [CTEST_ARGUMENT...]
#
# --gpu: builds the kernels for NVIDIA GPUs also where there is none; needs nvcc, and half an hour of two cores
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

preset=dev
kernels=()
while [[ ${1:-} == --* ]]; do
  case "$1" in
    --gpu) kernels=(-DPRUNE2TO4_CUDA_KERNELS=ON); shift ;;
    --preset)
      [[ $# -ge 2 ]] || { echo "usage: scripts/test.sh [--gpu] [--preset dev|asan] [CTEST_ARGUMENT...]" >&2; exit 2; }
      preset=$2
      shift 2
      ;;
    *) break ;;  # an argument for ctest
  esac
done

step "Set up"
scripts/setup.sh
configure_and_build "$preset" "${kernels[@]}"

step "Test ($preset)"
ctest --preset "$preset" "$@"
