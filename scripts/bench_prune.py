#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times `prune2to4 prune` beside `cp` + `sha256sum` of its input, interleaved; bench_prune.sh calls it."""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

MIB = 2**20


class Sample(NamedTuple):
    seconds: float
    peak_bytes: int  # resident, of the largest process


def run(command: list[str]) -> Sample:
    """Runs it with its output kept aside; ends this program when it fails."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
            raise SystemExit(f"bench_prune.py: exit status {process.returncode}: {' '.join(command)}")
    return Sample(seconds, usage.ru_maxrss * 1024)


def measure(program: str, model: pathlib.Path, folder: pathlib.Path, repetitions: int) -> dict[str, list[Sample]]:
    copy, sparse = folder / "copy.pt", folder / "sparse.pt"
    commands = {
        "cp": ["cp", str(model), str(copy)],
        "sha256sum": ["sha256sum", str(model)],
        "prune": [program, "prune", str(model), "--output", str(sparse), "--quiet"],
        "start-up": [program, "--version"],
    }
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for repetition in range(repetitions + 1):  # the first one warms up
        for name, command in commands.items():
            for stale in (copy, sparse):
                stale.unlink(missing_ok=True)
            sample = run(command)
            if repetition > 0:
                samples[name].append(sample)
    copy.unlink(missing_ok=True)
    return samples


def report(samples: dict[str, list[Sample]], size: int) -> None:
    def median(seconds: list[float]) -> float:
        return statistics.median(seconds)

    def row(name: str, seconds: list[float]) -> str:
        return f"{name:38}{median(seconds):9.2f}{min(seconds):9.2f}{max(seconds):9.2f}"

    seconds = {name: [sample.seconds for sample in values] for name, values in samples.items()}
    both = [copy + digest for copy, digest in zip(seconds["cp"], seconds["sha256sum"])]
    work = [prune - start for prune, start in zip(seconds["prune"], seconds["start-up"])]
    peak = max(sample.peak_bytes for sample in samples["prune"])
    start_peak = max(sample.peak_bytes for sample in samples["start-up"])
    print(f"{'seconds, ' + str(len(both)) + ' repetitions':38}{'median':>9}{'min':>9}{'max':>9}")
    print(row("(a) cp + sha256sum", both))
    print(row("(b) prune2to4 prune", seconds["prune"]))
    print(row("(c) prune2to4 --version (start-up)", seconds["start-up"]))
    print(row("(b) - (c)", work))
    print(f"{'(b) / (a)':38}{median(seconds['prune']) / median(both):9.2f}")
    print(f"{'((b) - (c)) / (a)':38}{median(work) / median(both):9.2f}")
    print(f"{'file, MiB':38}{size / MIB:9.1f}")
    print(f"{'peak resident memory of (b), MiB':38}{peak / MIB:9.1f}")
    print(f"{'peak of (c), LibTorch itself, MiB':38}{start_peak / MIB:9.1f}")
    print(f"{'peak of (b) / file':38}{peak / size:9.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="for the outputs")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    size = options.model.stat().st_size
    print(f"{options.model.name}, {os.cpu_count()} cores")
    report(measure(options.program, options.model, options.folder, options.repetitions), size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
