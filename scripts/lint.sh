#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Format, include order, file lengths, shell scripts, and clang-tidy on the part that is free of Torch.
# Needs scripts/setup.sh --lint.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

max_lines=300

# Fails, naming them, when sources are longer than max_lines.
check_lengths() {
  git ls-files -z --cached --others --exclude-standard -- \
    '*.h' '*.cpp' '*.cu' '*.cuh' '*.py' '*.sh' '*.bash' '*.bats' '*.cmake' CMakeLists.txt '*/CMakeLists.txt' |
    xargs -0 awk -v max="$max_lines" '
      FNR == max + 1 { print FILENAME ": more than " max " lines"; long = 1 }
      END { exit long }'
}

check_shell() {
  git ls-files -z --cached --others --exclude-standard -- '*.sh' '*.bash' .ci/run |
    xargs -0 shellcheck --external-sources --source-path=SCRIPTDIR
}

check_tidy() {
  cmake --preset dev >/dev/null  # writes build/compile_commands.json
  # The sources switch off a warning that only GCC knows.
  .venv/bin/python scripts/check_includes.py --list-torch-free src/core src/sparse |
    xargs --no-run-if-empty -P "$(nproc)" -n 4 \
      clang-tidy -p build --quiet --extra-arg=-Wno-unknown-warning-option 2>&1 |
    { grep -Ev '^[0-9]+ warnings?.* generated\.$' || true; }
}

step "Format"
scripts/format.sh --check
step "Include order"
.venv/bin/python scripts/check_includes.py --self-test
.venv/bin/python scripts/check_includes.py
step "File lengths"
check_lengths
step "Shell scripts"
check_shell
step "clang-tidy"
check_tidy
echo
echo "lint: all checks passed"
