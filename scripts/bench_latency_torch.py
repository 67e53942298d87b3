# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of bench_latency.py: one way to run a BERT, timed in a process of its own."""

import argparse
import contextlib
import pathlib
import statistics
import time
import warnings
from typing import NamedTuple

import safetensors
import torch
from bench_common import DTYPES, in_fresh_process, load_model

MULTIPLE = 8  # of tokens, to which a batch is padded
WARM_UP = 3


class Row(NamedTuple):
    name: str
    mode: str | None = None  # of torch.compile; None: eager
    sparse: bool = False  # PyTorch's own 2:4
    sort: bool = False  # of real lengths: batches of similar length, padded to their longest; else all to one length


class Batches(NamedTuple):
    lengths: list[list[int]]  # by batch and sequence
    width: int


Times = dict[str, float]  # milliseconds a batch, by point


def measure(row: Row, options: argparse.Namespace, points: dict[str, Batches]) -> Times | str:
    """What a fresh process measures; the reason when it fails."""
    return in_fresh_process(run, row, options, points)


def real_lengths(file: pathlib.Path, windows: int) -> tuple[list[int], int]:
    with safetensors.safe_open(file, "np") as data:
        width = data.get_slice("input_ids").get_shape()[1]
        return data.get_tensor("length")[:windows].tolist(), width


def in_batches(lengths: list[int], size: int) -> list[list[int]]:
    return [lengths[i:i + size] for i in range(0, len(lengths) - size + 1, size)]


def to_2_4(model: torch.nn.Module) -> None:
    """The reference workflow's: the mask by magnitude, then to_sparse_semi_structured."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and "layer" in name:
            weight = module.weight.detach()
            groups = weight.reshape(-1, 4)
            kept = torch.zeros_like(groups).scatter_(1, groups.float().abs().topk(2, 1).indices, 1)
            sparse = torch.sparse.to_sparse_semi_structured((groups * kept).reshape(weight.shape))
            module.weight = torch.nn.Parameter(sparse, requires_grad=False)


def inputs(row: Row, options: argparse.Namespace, batches: Batches, vocabulary: int) -> list[dict[str, torch.Tensor]]:
    order = batches.lengths
    if row.sort:
        size = len(order[0])
        order = in_batches(sorted(length for batch in order for length in batch), size)
    made = []
    generator = torch.Generator().manual_seed(0)
    for lengths in order:
        width = min(batches.width, -(-max(lengths) // MULTIPLE) * MULTIPLE) if row.sort else batches.width
        mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
        ids = torch.randint(100, vocabulary, mask.shape, generator=generator) * mask
        one = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(mask)}
        made.append({name: tensor.to(options.device) for name, tensor in one.items()})
    return made


def run(row: Row, options: argparse.Namespace, points: dict[str, Batches]) -> Times:
    warnings.simplefilter("ignore")
    torch._dynamo.config.cache_size_limit = 64
    model = load_model(options.folder, options.device).eval().to(DTYPES[options.dtype])
    if row.sparse:
        to_2_4(model)
    synchronize = torch.cuda.synchronize if options.device == "cuda" else contextlib.nullcontext
    times: Times = {}
    with torch.inference_mode():
        for name, batches in points.items():
            torch._dynamo.reset()
            dynamic = True if row.sort else None
            forward = torch.compile(model, mode=row.mode, dynamic=dynamic) if row.mode else model
            made = inputs(row, options, batches, model.config.vocab_size)
            samples: list[float] = []
            begun = time.perf_counter()
            while len(samples) < WARM_UP + options.repeats or time.perf_counter() - begun < options.min_seconds:
                synchronize()
                start = time.perf_counter()
                # On a GPU as many as hide what one start from the host costs.
                for _ in range(calls := max(1, 8 // len(made)) if options.device == "cuda" else 1):
                    for one in made:
                        forward(**one)
                synchronize()
                samples.append(1e3 * (time.perf_counter() - start) / (calls * len(made)))
            times[name] = statistics.median(samples[WARM_UP:])
    return times


def full(batch: int, length: int) -> Batches:
    return Batches([[length] * batch], length)
