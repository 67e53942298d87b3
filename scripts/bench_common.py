# SPDX-License-Identifier: Apache-2.0
"""What bench_train.py and bench_latency.py share: a BERT of random weights for both sides, and processes to time in."""

import concurrent.futures
import multiprocessing
import pathlib
import textwrap
import types
from collections.abc import Callable
from typing import TypeVar

import export_bert
import torch
import transformers

Result = TypeVar("Result")

DTYPES = {"fp32": torch.float, "fp16": torch.half, "bf16": torch.bfloat16}


def new_model(config: transformers.BertConfig) -> transformers.BertForQuestionAnswering:
    return transformers.BertForQuestionAnswering._from_config(config, attn_implementation="sdpa")


def write_model(name: str, config: transformers.BertConfig, folder: pathlib.Path, dtype: str = "fp32") -> None:
    """The same weights for all: for load_model(), and traced in `dtype` as dense.pt."""
    torch.manual_seed(0)
    model = new_model(config)
    torch.save(model.state_dict(), folder / "weights.pt")
    config.save_pretrained(folder)
    as_exported = types.SimpleNamespace(model=name, fixed_length=None, dtype=dtype, attention="sdpa")
    export_bert.write(export_bert.trace(model.eval().to(DTYPES[dtype]), as_exported), folder / "dense.pt")


def load_model(folder: pathlib.Path, device: str) -> transformers.BertForQuestionAnswering:
    model = new_model(transformers.BertConfig.from_pretrained(folder, local_files_only=True))
    model.load_state_dict(torch.load(folder / "weights.pt", weights_only=True))
    return model.to(device)


def in_fresh_process(function: Callable[..., Result], *arguments: object) -> Result | str:
    """What it returns; the reason when it fails."""
    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=fresh) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except Exception as error:  # the compiler and the kernels raise many kinds
            return textwrap.shorten(str(error) or type(error).__name__, 160)


def describe_machine(device: str) -> str:
    where = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{where}; PyTorch {torch.__version__}, transformers {transformers.__version__}"
