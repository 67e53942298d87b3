# SPDX-License-Identifier: Apache-2.0
"""PyTorch's side of bench_train.py: one training loop, timed in a process of its own."""

import argparse
import contextlib
import pathlib
import resource
import time
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import safetensors
import torch
from bench_common import in_fresh_process, load_model

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
MULTIPLE = 8  # of tokens, to which a batch is padded


class Row(NamedTuple):
    name: str
    sparsifier: bool = False
    compiled: bool = False


class Rate(NamedTuple):
    windows: float  # a second
    batch: int
    peak_bytes: int  # of the GPU's memory; of the process on a CPU
    engine: str = ""


def measure(row: Row, options: argparse.Namespace, data: pathlib.Path, pad_to: int | None) -> Rate | str:
    """What a fresh process measures; the reason when it fails."""
    return in_fresh_process(train, row, options, data, pad_to)


def batches(data: pathlib.Path, batch: int, pad_to: int | None, device: str) -> list[dict[str, torch.Tensor]]:
    """On the device. In the file's order; without `pad_to` in shuffled buckets of similar length."""
    with safetensors.safe_open(data, "np") as file:
        tensors = {name: torch.from_numpy(file.get_tensor(name).astype(np.int64))
                   for name in ("input_ids", "token_type_ids", "length", "start", "end")}
    lengths = tensors["length"]
    order = torch.arange(len(lengths)) if pad_to else lengths.argsort(stable=True)
    chunks = list(order.split(batch))
    if len(chunks[-1]) < batch:
        chunks.pop()
    if not pad_to:
        chunks = [chunks[i] for i in torch.randperm(len(chunks), generator=torch.Generator().manual_seed(0))]
    made = []
    for rows in chunks:
        width = pad_to or -(-int(lengths[rows].max()) // MULTIPLE) * MULTIPLE
        width = min(width, tensors["input_ids"].shape[1])
        one = {"input_ids": tensors["input_ids"][rows, :width],
               "token_type_ids": tensors["token_type_ids"][rows, :width],
               "attention_mask": (torch.arange(width) < lengths[rows, None]).long(),
               "start_positions": tensors["start"][rows], "end_positions": tensors["end"][rows]}
        made.append({name: tensor.to(device) for name, tensor in one.items()})
    return made


def hold_masks(model: torch.nn.Module) -> None:
    """The reference workflow: a parametrization that multiplies each weight by its mask on every call."""
    from torch.ao.pruning import WeightNormSparsifier
    sparsifier = WeightNormSparsifier(sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2)
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and "layer" in name]
    sparsifier.prepare(model, [{"tensor_fqn": f"{name}.weight"} for name in names])
    sparsifier.step()


def steps(model: torch.nn.Module, row: Row, options: argparse.Namespace, dynamic: bool) -> Iterator[None]:
    """A generator that is sent batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, fused=options.device == "cuda")
    scaler = torch.amp.GradScaler(options.device, enabled=options.precision == "fp16")
    forward = torch.compile(model, dynamic=True if dynamic else None) if row.compiled else model
    dtype = AUTOCAST.get(options.precision)
    batch = yield
    while True:
        with torch.autocast(options.device, dtype) if dtype else contextlib.nullcontext():
            loss = forward(**batch).loss
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        batch = yield


def train(row: Row, options: argparse.Namespace, data: pathlib.Path, pad_to: int | None) -> Rate:
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = options.precision != "fp32"
    model = load_model(options.folder, options.device).train()
    if row.sparsifier:
        hold_masks(model)
    prepared = batches(data, options.batch, pad_to, options.device)
    synchronize = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    loop = steps(model, row, options, dynamic=pad_to is None)
    next(loop)

    def go(first: int, count: int) -> float:
        synchronize()
        begun = time.perf_counter()
        for i in range(first, first + count):
            loop.send(prepared[i % len(prepared)])
        synchronize()
        return time.perf_counter() - begun

    go(0, options.warm_up)
    if options.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = go(options.warm_up, options.steps)
    peak = (torch.cuda.max_memory_allocated() if options.device == "cuda"
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return Rate(options.batch * options.steps / seconds, options.batch, peak)
