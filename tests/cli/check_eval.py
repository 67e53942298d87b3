#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds `prune2to4 eval` against a transformers model, a span search and a metric of its own (squad_reference.py).

    check_eval.py BUILD MODEL QUESTIONS.json[.gz] [--limit N] [--batch-sizes 1,8,64] [--pruned] [--dtype bf16]

BUILD holds prune2to4, MODEL is a Hugging Face folder. F1 and EM must be equal to 0.01 and 99.9 % of the answers the
same; predictions must be the same files with each batch size. --pruned: of the model that `prune2to4 prune` makes,
against the same weights zeroed in PyTorch. --dtype: both run the fp32 model converted to it; in half precision, where
rounding decides between near answers, F1 must be equal to 0.1, EM to 0.3 and 97 % of the answers the same, and
predictions may depend on the batch size.
"""

import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import squad_reference
import torch

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Tolerance(NamedTuple):
    f1: float  # points
    exact_match: float
    same: float  # share of answers


def tolerance(dtype: str) -> Tolerance:
    return Tolerance(0.01, 0.01, 0.999) if dtype == "fp32" else Tolerance(0.1, 0.3, 0.97)


class Result(NamedTuple):
    f1: float
    exact_match: float
    predictions: dict[str, str]
    content: bytes  # of the predictions' file


def run(*command) -> float:
    """Seconds that it took; its output is shown when it fails."""
    begun = time.perf_counter()
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit status {done.returncode} of {' '.join(map(str, command))}\n{done.stderr}"
    return time.perf_counter() - begun


def scores_of(report) -> tuple[float, float] | None:
    """F1 and EM of the first model: of the first object, depth first, that has both."""
    if isinstance(report, dict) and {"f1", "exact_match"} <= report.keys():
        return report["f1"], report["exact_match"]
    children = report.values() if isinstance(report, dict) else report if isinstance(report, list) else []
    return next((found for found in map(scores_of, children) if found), None)


def evaluate(options: argparse.Namespace, folder: pathlib.Path, model: pathlib.Path, data: pathlib.Path,
             batch_size: int | None) -> Result:
    predictions, report = folder / "predictions.json", folder / "report.json"
    limit = ["--limit", options.limit] if options.limit else []
    batch = ["--batch-size", batch_size] if batch_size else []
    seconds = run(options.build / "prune2to4", "eval", model, "--data", data, "--predictions", predictions,
                  "--export-json", report, "--dtype", options.dtype, "--quiet", *limit, *batch)
    scores = scores_of(json.loads(report.read_bytes())["evaluation"]["models"])
    assert scores, f"no scores in {report.read_text()}"
    size = f"batch size {batch_size}" if batch_size else "default batches"
    print(f"{'prune2to4 eval, ' + size:36} F1 {scores[0]:7.3f}  EM {scores[1]:7.3f}  {seconds:6.1f} s")
    return Result(*scores, json.loads(predictions.read_bytes()), predictions.read_bytes())


def reference(options: argparse.Namespace, document: dict, tokenized: squad_reference.Data) -> Result:
    model = squad_reference.load_model(options.model)
    if options.pruned:
        assert squad_reference.prune_encoder(model), "no linear to prune"
    model = model.to(DTYPES[options.dtype])
    begun = time.perf_counter()
    starts, ends = squad_reference.logits(model, tokenized.tensors)
    seconds = time.perf_counter() - begun
    for name, over_all_tokens in (("run_qa to the letter, for information", True), ("PyTorch", False)):
        predictions = squad_reference.answers(tokenized, starts, ends, over_all_tokens)
        scores = squad_reference.official_scores(document, predictions, tokenized.second_version)
        print(f"{name:36} F1 {scores[0]:7.3f}  EM {scores[1]:7.3f}  {seconds:6.1f} s in the model")
    return Result(*scores, predictions, b"")


def compare(result: Result, wanted: Result, document: dict, second_version: bool, allowed: Tolerance) -> None:
    assert result.predictions.keys() == wanted.predictions.keys(), "predictions are of other questions"
    official = squad_reference.official_scores(document, result.predictions, second_version)
    assert max(abs(official[0] - result.f1), abs(official[1] - result.exact_match)) < 1e-6, \
        f"its predictions score F1 {official[0]}, EM {official[1]}; it says {result.f1}, {result.exact_match}"
    different = [key for key, text in wanted.predictions.items() if result.predictions[key] != text]
    share = 1 - len(different) / len(wanted.predictions)
    for key in different[:10]:
        print(f"  {key}: {result.predictions[key]!r}, PyTorch {wanted.predictions[key]!r}")
    print(f"{len(different)} of {len(wanted.predictions):,} answers differ, {share:.4%} are the same; "
          f"F1 by {result.f1 - wanted.f1:+.4f}, EM by {result.exact_match - wanted.exact_match:+.4f}")
    assert share >= allowed.same, f"fewer than {allowed.same:.1%} of the answers are the same"
    assert abs(result.f1 - wanted.f1) <= allowed.f1, "F1 differs"
    assert abs(result.exact_match - wanted.exact_match) <= allowed.exact_match, "EM differs"


def check(options: argparse.Namespace, folder: pathlib.Path) -> None:
    model, data = folder / "model.pt", folder / "questions.safetensors"
    run(sys.executable, SCRIPTS / "export_bert.py", options.model, model)
    run(sys.executable, SCRIPTS / "tokenize_squad.py", options.questions, data, "--tokenizer", options.model, "--quiet")
    if options.pruned:
        run(options.build / "prune2to4", "prune", model, "--output", folder / "sparse.pt", "--quiet")
        model = folder / "sparse.pt"
    content = options.questions.read_bytes()
    document = json.loads(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
    results = [evaluate(options, folder, model, data, size) for size in options.batch_sizes]
    tokenized = squad_reference.read(data, options.limit)
    compare(results[0], reference(options, document, tokenized), document, tokenized.second_version,
            tolerance(options.dtype))
    files = len({result.content for result in results})
    assert files == 1 or options.dtype != "fp32", "predictions depend on the batch size"
    if len(results) > 1:
        print(f"predictions of {len(results)} batch sizes are {files} different file(s)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", metavar="BUILD", type=pathlib.Path)
    parser.add_argument("model", metavar="MODEL", type=pathlib.Path)
    parser.add_argument("questions", metavar="QUESTIONS.json[.gz]", type=pathlib.Path)
    parser.add_argument("--limit", metavar="N", type=int, help="the first N questions only")
    parser.add_argument("--batch-sizes", type=lambda text: [int(size) for size in text.split(",")], default=[None],
                        metavar="N,...", help="of prune2to4 eval (default: its own)")
    parser.add_argument("--pruned", action="store_true")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="in which both run (default: fp32)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(options, pathlib.Path(folder))
        except AssertionError as error:
            print(f"WRONG: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
