#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times training by `prune2to4 finetune` and `prune --train` beside PyTorch's, in one run; bench_train.sh calls it.

Both train the same random weights on the same windows with AdamW and clipping, dropout on. Random windows: real lengths
of 90 to 260 tokens, which PyTorch pads to the full length, and all tokens real. With --real a tokenized file in buckets
of similar length, which PyTorch pads to the longest of a batch. Each row runs in a process of its own; rates are of the
steps behind the warm-up: ours is what the report says, which leaves out the first 20 steps of 40 or more.
"""

import argparse
import json
import pathlib
import sys
from typing import NamedTuple

import bench_common
import bench_train_torch
import export_bert
import numpy as np
import safetensors
import transformers
from atomic_file import write_atomically
from bench_prune import run
from bench_train_torch import Rate, Row
from tokenize_squad import FORMAT, FORMAT_VERSION, safetensors_parts

MODELS = {
    "base": {},
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128,
             "vocab_size": 1000},
}
SHORTEST, LONGEST = 90 / 384, 260 / 384  # of the length, as in real questions
QUESTION = 12  # tokens before the context
GIB = 2**30


class Setting(NamedTuple):
    name: str
    data: pathlib.Path
    pad_to: int | None  # by PyTorch; None: to the longest of a batch


def config_of(options: argparse.Namespace) -> transformers.BertConfig:
    return transformers.BertConfig(**MODELS[options.model])


def write_windows(path: pathlib.Path, lengths: np.ndarray, width: int, vocabulary: int) -> None:
    """A tokenized file of random ids: each token of the context is one letter, each window a question of its own."""
    generator = np.random.default_rng(0)
    count = len(lengths)
    columns = np.arange(width)
    real = columns < lengths[:, None]
    context = real & (columns >= QUESTION) & (columns < lengths[:, None] - 1)  # the last one is [SEP]
    ids = np.where(real, generator.integers(100, vocabulary, (count, width)), 0).astype(np.int32)
    begin = 2 * (columns - QUESTION)
    offsets = np.where(context[..., None], np.stack([begin, begin + 1], 1), -1).astype(np.int32)
    start = (QUESTION + generator.integers(0, lengths - QUESTION - 3)).astype(np.int32)
    examples = [{"id": str(i), "question": "?", "context": 0, "answers": ["x"]} for i in range(count)]
    texts = json.dumps({"contexts": ["x " * width], "examples": examples}).encode()
    tensors = {"input_ids": ids, "token_type_ids": context.astype(np.uint8), "length": lengths.astype(np.int32),
               "offsets": offsets, "example": np.arange(count, dtype=np.int32), "start": start, "end": start + 1,
               "examples": np.frombuffer(texts, np.uint8)}
    metadata = {"format": FORMAT, "version": FORMAT_VERSION, "squad_version": "1.1", "max_length": str(width),
                "stride": "0", "pad_token_id": "0", "vocabulary_sha256": "0" * 64, "source": "random",
                "source_sha256": "0" * 64}
    write_atomically(path, safetensors_parts(tensors, metadata))


def make_settings(options: argparse.Namespace, vocabulary: int) -> list[Setting]:
    if options.real:
        return [Setting("real windows, padded to the batch", options.real, None)]
    count = options.batch * (options.warm_up + options.steps)
    low, high = (max(QUESTION + 8, round(share * options.length)) for share in (SHORTEST, LONGEST))
    lengths = np.random.default_rng(1).integers(low, high + 1, count)
    short, full = options.folder / "short.safetensors", options.folder / "full.safetensors"
    write_windows(short, lengths, options.length, vocabulary)
    write_windows(full, np.full(count, options.length), options.length, vocabulary)
    return [Setting(f"{low} to {high} of {options.length} tokens real", short, options.length),
            Setting(f"all {options.length} tokens real", full, options.length)]


def torch_rows(options: argparse.Namespace, setting: Setting) -> list[Row]:
    compiled = f"PyTorch, {options.precision}, compiled" + (" (dynamic)" if setting.pad_to is None else "")
    rows = [Row(f"PyTorch, {options.precision}"), Row(f"PyTorch, {options.precision}, sparsifier", sparsifier=True)]
    if options.device == "cpu":
        return rows
    return [*rows, Row(compiled, compiled=True)]


def our_commands(options: argparse.Namespace, data: pathlib.Path) -> dict[str, list[str]]:
    flags = ["--train", str(data), "--epochs", "1", "--batch-size", str(options.batch), "--learning-rate", "5e-5",
             "--precision", options.precision, "--distill-weight", "0", "--seed", "0", "--device", options.device,
             "--quiet", "--output", str(options.folder / "trained.pt")]
    model = str(options.folder / "dense.pt")
    return {f"prune2to4 {name}": [options.program, *name.split()[:1], model, *flags]
            for name in ("finetune", "prune --train")}


def measure_ours(options: argparse.Namespace, command: list[str]) -> Rate:
    report = options.folder / "train.json"
    report.unlink(missing_ok=True)
    run([*command, "--max-steps", str(options.warm_up + options.steps), "--export-json", str(report)])
    training = json.loads(report.read_bytes())["training"][0]
    return Rate(training["windows_per_second"], options.batch, training["peak_bytes"], training["engine"])


def measure(options: argparse.Namespace, setting: Setting) -> dict[str, Rate | str]:
    """Rates by name; of a row of PyTorch that fails, why."""
    rates: dict[str, Rate | str] = {}
    for row in torch_rows(options, setting):
        rates[row.name] = bench_train_torch.measure(row, options, setting.data, setting.pad_to)
        print(f"[bench] {row.name}: {rates[row.name]}", file=sys.stderr, flush=True)
    for name, command in our_commands(options, setting.data).items():
        rates[name] = measure_ours(options, command)
        print(f"[bench] {name}: {rates[name]}", file=sys.stderr, flush=True)
    return rates


def report(setting: Setting, rates: dict[str, Rate | str]) -> None:
    names = {name: f"({chr(ord('a') + i)}) {name}" for i, name in enumerate(rates)}
    print(f"\n{setting.name:46}{'windows/s':>11}{'ms/step':>9}{'peak GiB':>10}")
    for name, rate in rates.items():
        if isinstance(rate, str):
            print(f"{names[name]:46}  failed: {rate}")
            continue
        print(f"{names[name]:46}{rate.windows:11.1f}{1e3 * rate.batch / rate.windows:9.1f}"
              f"{rate.peak_bytes / GIB:10.2f}  {rate.engine}".rstrip())
    theirs = {name: rate for name, rate in rates.items() if name.startswith("PyTorch") and not isinstance(rate, str)}
    for ours in [name for name in rates if name.startswith("prune2to4")]:
        for name, rate in theirs.items():
            print(f"{names[ours][:3]} / {names[name]:40}{rates[ours].windows / rate.windows:11.2f}")


def check_real(options: argparse.Namespace) -> None:
    with safetensors.safe_open(options.real, "np") as file:
        windows = file.get_slice("input_ids").get_shape()[0]
        largest = int(file.get_tensor("input_ids").max())
    needed = options.batch * (options.warm_up + options.steps)
    if windows < needed:
        raise SystemExit(f"bench_train.py: {options.real} has {windows:,} windows; {needed:,} are needed for --steps "
                         f"{options.steps}; use fewer")
    if largest >= config_of(options).vocab_size:
        raise SystemExit(f"bench_train.py: {options.real} has token id {largest}, too large for --model "
                         f"{options.model}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="for models, data and outputs")
    parser.add_argument("--real", metavar="TOKENIZED.safetensors", type=pathlib.Path)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--model", choices=list(MODELS), default="base")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16", "fp16"], default="bf16")
    parser.add_argument("--batch", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--length", type=int, default=384, help="of random windows (default: %(default)s)")
    parser.add_argument("--warm-up", type=int, default=20, help="steps (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=100, help="measured (default: %(default)s)")
    options = parser.parse_args()
    if min(options.batch, options.warm_up, options.steps) < 1 or not 2 * QUESTION <= options.length <= 512:
        parser.error(f"--batch, --warm-up and --steps must be at least 1, --length {2 * QUESTION} to 512")
    return options


def main() -> int:
    options = parse_arguments()
    export_bert.silence(transformers)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.real:
        check_real(options)
    config = config_of(options)
    bench_common.write_model(options.model, config, options.folder)
    print(f"BERT-{options.model}, batch {options.batch}, {options.precision}, {options.steps} steps behind "
          f"{options.warm_up}; {bench_common.describe_machine(options.device)}")
    for setting in make_settings(options, config.vocab_size):
        report(setting, measure(options, setting))
    return 0


if __name__ == "__main__":
    sys.exit(main())
