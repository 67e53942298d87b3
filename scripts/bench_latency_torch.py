# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of bench_latency.py: one way to run a BERT, timed in a process of its own."""

import argparse
import contextlib
import pathlib
import statistics
import time
import warnings
from collections.abc import Callable
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
Tokens = dict[str, torch.Tensor]  # what a model is called with


class Measured(NamedTuple):
    times: Times
    sparse: bool  # the weights were pruned
    logits: torch.Tensor | None  # fp32 [start and end, batch, length], of the tokens that all are compared on


def measure(row: Row, options: argparse.Namespace, points: dict[str, Batches], tokens: Tokens) -> Measured | str:
    """What a fresh process measures; the reason when it fails. `tokens` are of the first point's shape."""
    return in_fresh_process(run, row, options, points, tokens)


def reference(options: argparse.Namespace, tokens: Tokens, sparse: bool) -> torch.Tensor | str:
    """The logits that all rows are held against: PyTorch's in fp32, of weights rounded as theirs are."""
    return in_fresh_process(run_reference, options, tokens, sparse)


def real_lengths(file: pathlib.Path, windows: int) -> tuple[list[int], int]:
    with safetensors.safe_open(file, "np") as data:
        width = data.get_slice("input_ids").get_shape()[1]
        return data.get_tensor("length")[:windows].tolist(), width


def in_batches(lengths: list[int], size: int) -> list[list[int]]:
    return [lengths[i:i + size] for i in range(0, len(lengths) - size + 1, size)]


def prune(model: torch.nn.Module) -> list[torch.nn.Linear]:
    """Zeroes the two smaller ones of each four, of equal ones the first, in the layers that prune2to4 prunes."""
    layers = [module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and "layer" in name]
    for layer in layers:
        groups = layer.weight.detach().reshape(-1, 4)
        smaller = groups.float().abs().argsort(dim=1, stable=True)[:, :2]
        layer.weight = torch.nn.Parameter(groups.scatter(1, smaller, 0).reshape(layer.weight.shape), requires_grad=False)
    return layers


def to_2_4(model: torch.nn.Module) -> None:
    """The reference workflow's: the mask by magnitude, then to_sparse_semi_structured."""
    for layer in prune(model):
        sparse = torch.sparse.to_sparse_semi_structured(layer.weight.detach())
        layer.weight = torch.nn.Parameter(sparse, requires_grad=False)


def inputs(row: Row, options: argparse.Namespace, batches: Batches, vocabulary: int) -> list[Tokens]:
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
        made.append(on(options.device, one))
    return made


def on(device: str, tokens: Tokens) -> Tokens:
    return {name: tensor.to(device) for name, tensor in tokens.items()}


def logits_of(forward: Callable, tokens: Tokens) -> torch.Tensor:
    output = forward(**tokens)
    return torch.stack([output.start_logits, output.end_logits]).float().cpu()


def run_reference(options: argparse.Namespace, tokens: Tokens, sparse: bool) -> torch.Tensor:
    model = load_model(options.folder, options.device).eval().to(DTYPES[options.dtype])
    if sparse:
        prune(model)
    with torch.inference_mode():
        return logits_of(model.float(), on(options.device, tokens))


def run(row: Row, options: argparse.Namespace, points: dict[str, Batches], tokens: Tokens) -> Measured:
    warnings.simplefilter("ignore")
    torch._dynamo.config.cache_size_limit = 64
    model = load_model(options.folder, options.device).eval().to(DTYPES[options.dtype])
    if row.sparse:
        to_2_4(model)
    synchronize = torch.cuda.synchronize if options.device == "cuda" else contextlib.nullcontext
    times: Times = {}
    logits = None
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
            if logits is None and not row.sort:
                logits = logits_of(forward, on(options.device, tokens))
    return Measured(times, row.sparse, logits)


def full(batch: int, length: int) -> Batches:
    return Batches([[length] * batch], length)
