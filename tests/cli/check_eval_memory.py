#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Peak memory of `prune2to4 eval` against the number of questions.

    check_eval_memory.py BUILD MODEL.pt DATA.safetensors      scripts/ is on the Python path

Makes files of 1,000 and 25,000 questions from the data's own; the larger one's peak must not exceed the smaller one's
by more than the files differ and an allowance for how an allocator's peaks vary.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import numpy as np
import safetensors
import safetensors.numpy
from atomic_file import write_atomically
from bench_prune import run
from tokenize_squad import safetensors_parts

ALLOWANCE = 24 << 20


def write_questions(source: pathlib.Path, target: pathlib.Path, count: int) -> None:
    """The first `count` questions of the file repeated for ever, under new ids."""
    with safetensors.safe_open(source, "np") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    texts = json.loads(tensors.pop("examples").tobytes())
    own = len(texts["examples"])
    examples = [{**texts["examples"][i % own], "id": f"{i}"} for i in range(count)]
    rows = np.concatenate([np.flatnonzero(tensors["example"] == i % own) for i in range(count)])
    repeated = {name: np.ascontiguousarray(tensor[rows]) for name, tensor in tensors.items()}
    repeated["example"] = np.arange(count, dtype=np.int32).repeat(
        [np.count_nonzero(tensors["example"] == i % own) for i in range(count)])
    text = json.dumps({"contexts": texts["contexts"], "examples": examples}, ensure_ascii=False).encode()
    repeated["examples"] = np.frombuffer(text, np.uint8)
    write_atomically(target, safetensors_parts(repeated, metadata))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    options = parser.parse_args()
    peaks, sizes = [], []
    with tempfile.TemporaryDirectory() as folder:
        for count in (1000, 25000):
            data = pathlib.Path(folder) / f"{count}.safetensors"
            write_questions(options.data, data, count)
            sizes.append(data.stat().st_size)
            peaks.append(run([str(options.build / "prune2to4"), "eval", str(options.model), "--data", str(data),
                              "--quiet"]).peak_bytes)
            print(f"{count:,} questions: file {sizes[-1] / 2**20:.1f} MiB, peak {peaks[-1] / 2**20:.1f} MiB")
    return int(peaks[1] - peaks[0] > sizes[1] - sizes[0] + ALLOWANCE)


if __name__ == "__main__":
    sys.exit(main())
