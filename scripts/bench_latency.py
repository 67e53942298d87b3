#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times a BERT with random weights by `prune2to4 bench` beside PyTorch, in one run; bench_latency.sh calls it.

Without --real every token is real and all compute the same. With --real the windows of a tokenized file: PyTorch pads
them to the file's length in the file's order, or sorts them by length and pads to the longest of a batch; prune2to4
takes them as they come and computes no padding. Each row runs in a process of its own; a figure is the median of
repeats, each of some batches behind one another. Each row's logits of one batch, but for sorted ones, are held against
PyTorch's in fp32; where they differ by more than the dtype explains, the exit status is 1.
"""

import argparse
import json
import pathlib
import sys

import bench_common
import bench_latency_torch
import export_bert
import safetensors.torch
import torch
import transformers
from bench_latency_torch import Batches, Measured, Row, Tokens
from bench_prune import run

MODELS = {
    "base": {"vocab_size": 30522},
    "large": {"vocab_size": 30522, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
              "intermediate_size": 4096},
    "minilm": {"vocab_size": 30522, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
               "intermediate_size": 1536},
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128,
             "vocab_size": 30522},
}
PYTORCH = {
    "eager": [Row("PyTorch, eager")],
    "compiled": [Row("PyTorch, compiled", mode="default")],
    "max-autotune": [Row("PyTorch, max-autotune", mode="max-autotune")],
    "sparse": [Row("PyTorch 2:4, eager", sparse=True), Row("PyTorch 2:4, compiled", mode="default", sparse=True)],
}
# How far logits may be from those in fp32, by the largest of them or 1.
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 8e-2}
SORTED = [Row("PyTorch, compiled, sorted, padded to the batch", mode="default", sort=True)]


def write_models(options: argparse.Namespace) -> None:
    config = transformers.BertConfig(**MODELS[options.model])
    bench_common.write_model(options.model, config, options.folder, options.dtype)
    run([options.program, "prune", str(options.folder / "dense.pt"), "--output", str(options.folder / "sparse.pt"),
         "--device", "cpu", "--quiet"])


def bench(options: argparse.Namespace, model: str, flags: list[str]) -> dict:
    report = options.folder / "latency.json"
    report.unlink(missing_ok=True)
    run([options.program, "bench", str(options.folder / model), "--export-json", str(report), *flags])
    return json.loads(report.read_bytes())


def points(options: argparse.Namespace) -> dict[str, Batches]:
    if not options.real:
        return {str(batch): bench_latency_torch.full(batch, options.length) for batch in options.batches}
    lengths, width = bench_latency_torch.real_lengths(options.real, options.windows)
    return {str(batch): Batches(bench_latency_torch.in_batches(lengths, batch), width) for batch in options.batches}


def our_rows(options: argparse.Namespace) -> tuple[dict[str, Measured], Tokens, list[str]]:
    """What was measured by row, the tokens whose logits are compared, and notes."""
    logits = options.folder / "logits.safetensors"
    how = ["--batch", ",".join(map(str, options.batches)), "--device", options.device, "--min-seconds",
           str(options.min_seconds), "--repeats", str(options.repeats), "--export-logits", str(logits), "--quiet"]
    how += (["--lengths", str(options.real), "--windows", str(options.windows)] if options.real
            else ["--length", str(options.length)])
    rows: dict[str, Measured] = {}
    tokens: Tokens = {}
    notes = []
    for model, names, flags in (("sparse.pt", ("prune2to4, 2:4", "prune2to4, dense"), []),
                                ("dense.pt", ("LibTorch's interpreter, dense",),
                                 ["--engine", "interpreter", "--no-baseline"])):
        report = bench(options, model, [*how, *flags])
        tensors = safetensors.torch.load_file(logits)
        tokens = {name: tensors[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        for place, (name, role) in enumerate(zip(names, ("model", "baseline"), strict=False)):
            times = {str(point["batch"]): point["timings"][place]["median_ms"] for point in report["points"]}
            both = torch.stack([tensors[f"{role}.start_logits"], tensors[f"{role}.end_logits"]])
            rows[name] = Measured(times, model == "sparse.pt", both)
            notes.append(f"{name}: {report['models'][place]['engine']}")
        notes += report["warnings"]
        if model == "sparse.pt":
            notes += [note for point in report["points"] for note in describe(point)]
    return rows, tokens, notes


def describe(point: dict) -> list[str]:
    kernels: dict[str, set[str]] = {}
    for each in point["timings"][0]["kernels"]:
        part = each["layer"].rsplit("layer.", 1)[-1].split(".", 1)[-1]
        kernels.setdefault(part, set()).add(each["kernel"])
    found = "; ".join(f"{part}: {', '.join(sorted(names))}" for part, names in kernels.items())
    difference, largest = point["largest_difference"], point["largest_output"]
    return [f"batch {point['batch']}: 2:4 and its dense twin differ by {difference:.2g} of logits up to {largest:.3g}; "
            f"spread {point['timings'][0]['spread']:.3f}; {found}"]


def differences(options: argparse.Namespace, rows: dict[str, Measured | str], tokens: Tokens) -> dict[str, float]:
    """By row: how far its logits at real tokens are from PyTorch's in fp32, by the largest of them or 1."""
    wanted = {sparse: bench_latency_torch.reference(options, tokens, sparse) for sparse in (False, True)}
    if failed := [each for each in wanted.values() if isinstance(each, str)]:
        sys.exit(f"bench_latency.py: PyTorch's logits in fp32: {failed[0]}")
    real = tokens["attention_mask"].bool()
    found = {}
    for name, row in rows.items():
        if not isinstance(row, str) and row.logits is not None:
            expected = wanted[row.sparse][:, real]
            difference = (row.logits[:, real] - expected).abs().max().item()
            found[name] = difference / max(1, expected.abs().max().item())
    return found


def report(options: argparse.Namespace, rows: dict[str, Measured | str], differ: dict[str, float]) -> None:
    columns = [str(batch) for batch in options.batches]
    unit = f"windows/s, {options.windows} real windows" if options.real else f"ms a batch, {options.length} real tokens"
    print(f"\n{unit + ', by batch':48}" + "".join(f"{column:>10}" for column in columns) + f"{'logits off by':>16}")
    timed = {name: row.times for name, row in rows.items() if not isinstance(row, str)}
    for name, row in rows.items():
        if isinstance(row, str):
            print(f"{name:48}  failed: {row}")
            continue
        values = [1e3 * int(column) / row.times[column] if options.real else row.times[column] for column in columns]
        print(f"{name:48}" + "".join(f"{value:10.0f}" if options.real else f"{value:10.3f}" for value in values) +
              (f"{differ[name]:16.2g}" if name in differ else ""))
    for ours in [name for name in timed if name.startswith("prune2to4")]:
        best = [min(times[column] for name, times in timed.items() if not name.startswith("prune2to4"))
                for column in columns]
        print(f"{'best of the others / ' + ours:48}" +
              "".join(f"{b / timed[ours][column]:10.2f}" for b, column in zip(best, columns, strict=True)))
    gain = [timed["prune2to4, dense"][column] / timed["prune2to4, 2:4"][column] for column in columns]
    print(f"{'ours dense / ours 2:4':48}" + "".join(f"{value:10.2f}" for value in gain))
    print("\nLogits of the first batch are held against PyTorch's in fp32, of pruned weights where the row's are; by the "
          f"largest or 1, at most {TOLERANCE[options.dtype]:g} in {options.dtype}.")


def parse_arguments() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(each) for each in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="for models and outputs")
    parser.add_argument("--real", metavar="TOKENIZED.safetensors", type=pathlib.Path)
    parser.add_argument("--windows", type=int, default=1536, help="of --real (default: %(default)s)")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--model", choices=list(MODELS), default="base")
    parser.add_argument("--dtype", choices=list(bench_common.DTYPES), default="fp16")
    parser.add_argument("--batches", type=numbers, default=[4, 16, 64, 256], metavar="N,...")
    parser.add_argument("--length", type=int, default=384, help="without --real (default: %(default)s)")
    parser.add_argument("--min-seconds", type=float, default=3, help="a point (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=10, help="a point, at least (default: %(default)s)")
    parser.add_argument("--pytorch", default="eager,compiled,max-autotune,sparse", metavar="WAY,...",
                        help=f"of {', '.join(PYTORCH)}; empty: none (default: %(default)s)")
    options = parser.parse_args()
    options.ways = [way for way in options.pytorch.split(",") if way]
    if unknown := [way for way in options.ways if way not in PYTORCH]:
        parser.error(f"--pytorch: {unknown[0]} is none of {', '.join(PYTORCH)}")
    return options


def main() -> int:
    options = parse_arguments()
    export_bert.silence(transformers)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_models(options)
    print(f"BERT-{options.model}, {options.dtype}; {bench_common.describe_machine(options.device)}")
    ours, tokens, notes = our_rows(options)
    rows: dict[str, Measured | str] = {}
    for row in [row for way in options.ways for row in PYTORCH[way]] + (SORTED if options.real else []):
        measured = rows[row.name] = bench_latency_torch.measure(row, options, points(options), tokens)
        print(f"[bench] {row.name}: {measured if isinstance(measured, str) else measured.times}", file=sys.stderr, flush=True)
    rows |= ours
    differ = differences(options, rows, tokens)
    report(options, rows, differ)
    print("\n" + "\n".join(notes))
    if wrong := [name for name, difference in differ.items() if not difference <= TOLERANCE[options.dtype]]:
        print(f"bench_latency.py: not the same logits: {'; '.join(wrong)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
