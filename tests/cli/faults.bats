#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The world failing under a run: no space, no permission, signals, death at any write. Never a torn file.
load common

# The old outputs of an earlier run, which a failing run must leave alone.
earlier_run() {
  prune2to4 prune model.pt --quiet --seed 1 >/dev/null
  sha256sum model.2to4.* >before
}
unchanged() { sha256sum --quiet --check before; }

# Each output is the earlier run's or a whole new one.
whole() {
  local file
  for file in model.2to4.pt model.2to4.report.{html,json,md}; do
    ! grep -q "$(sha256sum <"$file" | cut -d' ' -f1)" before || continue
    case $file in
      *.pt) prune2to4 inspect "$file" >/dev/null ;;
      *.json) jq -e .totals.packed "$file" >/dev/null ;;
      *.html) [[ $(tail -c 8 "$file") == *"</html>"* ]] ;;
      *.md) [[ -s $file && -z $(tail -c 1 "$file") ]] ;;
    esac || { echo "torn $1: $file"; return 1; }
  done
}

@test "a full file system ends in status 5 and leaves the old files" {
  unshare -Urm true 2>/dev/null || [[ $EUID -eq 0 ]] || skip "neither root nor user namespaces"
  local enter=(unshare -m)
  [[ $EUID -eq 0 ]] || enter=(unshare -Urm)
  run "${enter[@]}" bash -c '
    mkdir small && mount -t tmpfs -o size=900k tmpfs small || exit 77
    cp model.pt small/ && cd small
    prune2to4 prune model.pt --quiet; echo "status $?"
    ls -A'
  [[ $status -ne 77 ]] || skip "tmpfs cannot be mounted here"
  echo "$output"
  [[ $output == *"[write]"* && $output == *"status 5"* ]]
  [[ ${lines[-1]} == model.pt ]]
}

@test "a file size limit ends in status 5 and leaves the old files" {
  earlier_run
  run bash -c 'ulimit -f 300; prune2to4 prune model.pt --quiet'
  [[ $status -eq 5 && $output == *"[write]"* ]]
  unchanged
}

@test "a read-only folder ends in status 5" {
  mkdir locked && cp model.pt locked/ && chmod a+rx,a-w locked
  local as_user=()
  [[ $EUID -ne 0 ]] || as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$work" || true
  "${as_user[@]}" test -r locked/model.pt -a -x "$build/prune2to4" || skip "the build is not readable for other users"
  run "${as_user[@]}" prune2to4 prune locked/model.pt --quiet
  echo "$output"
  [[ $status -eq 5 && $output == *"[write]"* && $output == *locked* ]]
  chmod u+w locked
  expect_files locked model.pt
}

@test "SIGINT and SIGTERM end with 130 and 143 and leave nothing half written" {
  earlier_run
  local signal delay interrupted
  for signal in INT TERM; do
    interrupted=0
    for delay in 0.1 0.3 0.6 0.9 1.2; do
      # In the foreground: else timeout sends the signal twice, and a second one ends the program at once.
      run timeout --foreground --preserve-status --signal=$signal $delay prune2to4 prune model.pt --quiet
      case $signal-$status in
        INT-130 | TERM-143 | *-0) ;;
        *) echo "status $status after $signal at $delay s: $output"; return 1 ;;
      esac
      [[ $status -eq 0 ]] || interrupted=$((interrupted + 1))
      whole "after $signal at $delay s"
      expect_files . before model.pt model.2to4.pt model.2to4.report.{html,json,md}
    done
    [[ $interrupted -gt 0 ]]
  done
}

# Kills a run at its k-th call of `$1` until one survives; after each the outputs are the old ones or whole new ones.
kill_at_every() {
  local call=$1 k status_of points=0
  for ((k = 1; k < 200; ++k)); do
    status_of=0
    strace -f -qq -o trace -e "trace=$call" -e "inject=$call:signal=KILL:when=$k" \
      prune2to4 prune model.pt --quiet --seed 2 >/dev/null 2>&1 || status_of=$?
    [[ $status_of -ne 0 ]] || break
    points=$((points + 1))
    whole "at $call $k"
    [[ -z $(find . -name '.*' -type f) ]] || find . -name '.*' -type f -delete
  done
  [[ $points -gt 0 ]]
  echo "# killed at $points points of $call: no torn file" >&3
}

@test "death at every write, sync and rename leaves whole files" {
  earlier_run
  kill_at_every write
  kill_at_every fsync
  kill_at_every linkat
  kill_at_every rename,renameat,renameat2
}

@test "a failing write, sync or rename at every point ends in status 5 and leaves nothing" {
  earlier_run
  local fault call points=0 k
  for fault in pwrite64,write:error=EIO fsync:error=EIO linkat:error=EDQUOT rename:error=EIO; do
    call=${fault%%:*}
    for ((k = 1; k < 100; ++k)); do
      run strace -f -qq -o trace -e "trace=$call" -e "inject=$fault:when=$k" \
        prune2to4 prune model.pt --quiet --output new.pt --export-json none.json
      [[ $status -ne 0 ]] || break
      points=$((points + 1))
      [[ $status -eq 5 ]] || { echo "status $status at $fault $k: $output"; return 1; }
      [[ -z $(find . -name '.*' -type f) ]]
      rm -f new.* none.json
    done
    rm -f new.* none.json
  done
  unchanged
  [[ $points -gt 0 ]]
  echo "# failed at $points points: status 5 each time, nothing left over" >&3
}
