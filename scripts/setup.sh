#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need: Debian packages, and .venv with LibTorch (about 5 GB). What is there
# already stays as it is; a run with nothing to do needs no network.
#
#   scripts/setup.sh [--lint]     --lint: also the formatter and the linters
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

packages=(
  g++ cmake ninja-build git python3-venv
  libcli11-dev nlohmann-json3-dev libvalijson-dev libkainjow-mustache-dev libspdlog-dev libfmt-dev libxbyak-dev
  libre2-dev libdeflate-dev libutf8proc-dev libssl-dev
  catch2 librapidcheck-dev bats jq strace unzip
)
lint_packages=(clang-format clang-tidy shellcheck)

for argument in "$@"; do
  case "$argument" in
    --lint) packages+=("${lint_packages[@]}") ;;
    *) printf 'usage: scripts/setup.sh [--lint]\n' >&2; exit 2 ;;
  esac
done

# Prints the packages of the list that are not installed.
missing_packages() {
  local installed
  # dpkg-query exits 1 when it does not know one of the names.
  # shellcheck disable=SC2016
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  local name
  for name in "$@"; do
    grep -qxF "installed $name" <<<"$installed" || printf '%s\n' "$name"
  done
}

install_packages() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  local install=("${apt[@]}" install -y --no-install-recommends "$@")
  # Fresh machines have no package lists, old ones stale lists that name files no longer there.
  "${apt[@]}" install --simulate "$@" >/dev/null 2>&1 || "${apt[@]}" update
  "${install[@]}" || { "${apt[@]}" update && "${install[@]}"; }
}

setup_packages() {
  command -v dpkg-query >/dev/null ||
    fail "this is no Debian system; install what corresponds to: ${packages[*]}"
  local missing
  mapfile -t missing < <(missing_packages "${packages[@]}")
  if [[ ${#missing[@]} -eq 0 ]]; then
    echo "packages: all ${#packages[@]} installed"
    return
  fi
  if [[ $EUID -ne 0 ]]; then
    echo "packages: ${#missing[@]} missing, and installing them needs root. Run this, then the script again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "packages: installing ${missing[*]}"
  install_packages "${missing[@]}"
}

# .venv/.stamp is written last: an interrupted installation is taken up again.
setup_venv() {
  local stamp
  stamp=$(cat scripts/requirements.txt scripts/requirements_no_deps.txt | sha256sum)
  stamp=${stamp%% *}
  if [[ -x .venv/bin/python && -f .venv/.stamp && $(<.venv/.stamp) == "$stamp" ]]; then
    echo "python: .venv is up to date"
    return
  fi
  echo "python: installing scripts/requirements*.txt into .venv (about 5 GB, some minutes)"
  [[ -x .venv/bin/python ]] || python3 -m venv --clear .venv
  local install=(.venv/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off --quiet)
  "${install[@]}" -r scripts/requirements.txt
  "${install[@]}" --no-deps -r scripts/requirements_no_deps.txt
  printf '%s\n' "$stamp" >.venv/.stamp
  echo "python: .venv is ready"
}

setup_packages
setup_venv
