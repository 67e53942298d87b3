#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times `prune2to4 eval` beside the same model in PyTorch on the same windows, interleaved; bench_eval.sh calls it.

PyTorch (transformers, SDPA attention, inference mode) is timed in the model and a vectorised span search, without
loading. Ours is the whole command less that of one question, and besides what it reports as time in the model.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import time

import numpy as np
import safetensors
import torch
import transformers
from bench_prune import run

N_BEST, MAX_TOKENS = 20, 30
PADDED, IN_ORDER, SORTED = "(a) PyTorch, padded to {}", "(b) PyTorch, padded to the batch", "(c) (b), sorted by length"
COMMAND, REPORTED = "(d) prune2to4 eval", "(e) (d), as it reports itself"


class Windows:
    """Of the first questions of a tokenized file, as PyTorch takes them."""

    def __init__(self, path: pathlib.Path, limit: int):
        with safetensors.safe_open(path, "np") as file:
            rows = file.get_tensor("example") < limit
            self.example = file.get_tensor("example")[rows]
            self.length = file.get_tensor("length")[rows]
            self.context = torch.from_numpy(file.get_tensor("offsets")[rows][..., 0] >= 0)
            self.ids = torch.from_numpy(file.get_tensor("input_ids")[rows]).long()
            self.types = torch.from_numpy(file.get_tensor("token_type_ids")[rows]).long()
        self.width = self.ids.shape[1]
        self.questions = int(self.example[-1]) + 1


@torch.inference_mode()
def ask(model, windows: Windows, order: np.ndarray, batch: int, width: int | None) -> None:
    """Best span of each question; `width` None: each batch is padded to its longest window."""
    best: dict[int, tuple] = {}
    has_types = getattr(model.config, "type_vocab_size", 0) > 1
    for first in range(0, len(order), batch):
        rows = order[first:first + batch]
        columns = width or int(windows.length[rows].max())
        mask = (torch.arange(columns) < torch.from_numpy(windows.length[rows])[:, None]).long()
        types = {"token_type_ids": windows.types[rows, :columns]} if has_types else {}
        output = model(input_ids=windows.ids[rows, :columns], attention_mask=mask, **types)
        scores, starts, ends = best_spans(output.start_logits, output.end_logits, windows.context[rows, :columns])
        for row, span in zip(rows, zip(scores.tolist(), starts.tolist(), ends.tolist()), strict=True):
            example = int(windows.example[row])
            best[example] = max(best.get(example, span), span)
    assert len(best) == windows.questions


def best_spans(start_logits, end_logits, context):
    """Score, first and last token, [windows] each, of the best pair among the highest starts and ends."""
    count = min(N_BEST, context.shape[1])
    start_scores, starts = start_logits.masked_fill(~context, -torch.inf).topk(count)
    end_scores, ends = end_logits.masked_fill(~context, -torch.inf).topk(count)
    tokens = ends[:, None, :] - starts[:, :, None]
    scores = start_scores[:, :, None] + end_scores[:, None, :]
    scores = scores.masked_fill((tokens < 0) | (tokens >= MAX_TOKENS), -torch.inf).flatten(1)
    highest, pair = scores.max(1)
    return highest, starts.gather(1, pair[:, None] // count)[:, 0], ends.gather(1, pair[:, None] % count)[:, 0]


def evaluate(options: argparse.Namespace, limit: int) -> tuple[float, float]:
    """The seconds of the command, and those that it reports."""
    report = options.folder / "evaluation.json"
    report.unlink(missing_ok=True)
    sample = run([options.program, "eval", str(options.model), "--data", str(options.data), "--limit", str(limit),
                  "--threads", str(options.threads), "--device", "cpu", "--export-json", str(report), "--quiet"])
    return sample.seconds, json.loads(report.read_bytes())["evaluation"]["models"][0]["seconds"]


def measure(options: argparse.Namespace, model, windows: Windows) -> dict[str, list[float]]:
    """Seconds of each way, and the samples of our command."""
    order = np.arange(len(windows.length))
    by_length = np.argsort(windows.length, kind="stable")[::-1].copy()
    ways = {PADDED.format(windows.width): (order, windows.width), IN_ORDER: (order, None), SORTED: (by_length, None)}
    seconds: dict[str, list[float]] = {name: [] for name in (*ways, COMMAND, REPORTED)}
    one_batch = Windows(options.data, 1)
    ask(model, one_batch, np.arange(len(one_batch.length)), options.batch, None)
    for _ in range(options.repetitions):
        for name, (rows, width) in ways.items():
            begun = time.perf_counter()
            ask(model, windows, rows, options.batch, width)
            seconds[name].append(time.perf_counter() - begun)
        start_up, _ = evaluate(options, 1)
        command, reported = evaluate(options, windows.questions)
        if command <= start_up:
            raise SystemExit("bench_eval.py: one question took as long as all of them; use a larger --limit")
        # The start-up has one question in it.
        seconds[COMMAND].append((command - start_up) * windows.questions / (windows.questions - 1))
        seconds[REPORTED].append(reported)
    return seconds


def report(seconds: dict[str, list[float]], questions: int) -> None:
    rates = {name: [questions / value for value in values] for name, values in seconds.items()}
    repetitions = len(seconds[COMMAND])
    print(f"{f'questions per second, {repetitions} repetitions':38}{'median':>9}{'min':>9}{'max':>9}")
    for name, values in rates.items():
        print(f"{name:38}{statistics.median(values):9.1f}{min(values):9.1f}{max(values):9.1f}")
    for name in [name for name in rates if name not in (COMMAND, REPORTED)]:
        ratios = [ours / theirs for ours, theirs in zip(rates[COMMAND], rates[name], strict=True)]
        print(f"{'(d) / ' + name:38}{statistics.median(ratios):9.2f}{min(ratios):9.2f}{max(ratios):9.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model", type=pathlib.Path, help="TorchScript, of the same weights as CHECKPOINT")
    parser.add_argument("checkpoint", type=pathlib.Path, help="folder of a Hugging Face model")
    parser.add_argument("data", type=pathlib.Path, help="tokenized questions")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="for the outputs")
    parser.add_argument("--limit", type=int, default=256, help="questions (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="of PyTorch (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    if min(options.limit - 1, options.batch, options.threads, options.repetitions) < 1:
        parser.error("--limit must be at least 2; --batch, --threads and --repetitions at least 1")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    windows = Windows(options.data, options.limit)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(
        options.checkpoint, dtype=torch.float32, attn_implementation="sdpa", local_files_only=True).eval()
    print(f"{options.checkpoint.name}, {windows.questions:,} questions in {len(windows.length):,} windows of "
          f"{windows.length.mean():.0f} tokens on average, float32, {options.threads} threads, PyTorch's batch "
          f"{options.batch}")
    report(measure(options, model, windows), windows.questions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
