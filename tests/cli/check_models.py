#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prunes models with the built program and holds each result against PyTorch.

    check_models.py BUILD manifest.json | MODEL.pt [--questions DATA]

BUILD holds prune2to4 and libprune2to4_ops.so. For each model: the pruned layers are the linears whose name contains
"layer" and whose width is divisible by 4; each packed weight is what torch.ao.pruning.WeightNormSparsifier leaves of the dense one, to the bit; the
sparse model gives the logits of the dense model with those weights; names, buffers, dtypes and forward's signature
stay. With --questions, a text model is also asked questions of DATA/squadshifts/dev.json.gz.
"""

import argparse
import functools
import gzip
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from torch.ao.pruning import WeightNormSparsifier

# Largest difference of logits, relative to the largest logit.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}
CONFIG = pathlib.Path(__file__).resolve().parents[2] / "configs" / "pytorch_ties.json"
BY_NAME = {"input_ids": {"kind": "ids", "high": 60}, "attention_mask": {"kind": "mask"},
           "token_type_ids": {"kind": "segments"}}
SHAPES = {"free": [(2, 12), (1, 7), (3, 20)], "fixed": [(2, 12)]}


def prune(build: pathlib.Path, model: pathlib.Path, folder: pathlib.Path) -> tuple[int, str, dict]:
    output = folder / "sparse.pt"
    done = subprocess.run([build / "prune2to4", "prune", model, "--config", CONFIG, "--output", output, "--quiet",
                           "--format", "json"], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, json.loads(done.stdout) if done.returncode == 0 else {}


def pytorch_pruned(weight: torch.Tensor) -> torch.Tensor:
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=weight.dtype)
    linear.weight = torch.nn.Parameter(weight.detach().clone())
    sparsifier = WeightNormSparsifier(sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2)
    sparsifier.prepare(torch.nn.Sequential(linear), config=None)  # it looks at children only
    sparsifier.step()
    sparsifier.squash_mask()
    return linear.weight.detach()


def make_input(spec: dict, shape: tuple, dtype: torch.dtype) -> torch.Tensor:
    kind = spec["kind"]
    if kind == "ids":
        return torch.randint(1, spec["high"], shape)
    if kind == "mask":
        mask = torch.ones(shape, dtype=torch.long)
        mask[-1, shape[1] // 2:] = 0
        return mask
    if kind == "segments":
        return torch.zeros(shape, dtype=torch.long)
    return torch.randn(shape).to(dtype)


def input_batches(entry: dict, dtype: torch.dtype) -> list:
    torch.manual_seed(3)
    if any(spec["kind"] == "float" for spec in entry["inputs"]):
        shapes = [entry["inputs"][0]["shape"]]
    else:
        shapes = SHAPES["fixed" if entry["name"].endswith("_fixed") else "free"]
    return [[make_input(spec, shape, dtype) for spec in entry["inputs"]] for shape in shapes]


def flatten(outputs) -> list[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return list(itertools.chain.from_iterable(flatten(value) for value in values))


def largest_difference(dense, sparse, inputs: list) -> tuple[float, float]:
    with torch.no_grad():
        expected, actual = flatten(dense(*inputs)), flatten(sparse(*inputs))
    assert len(expected) == len(actual) and expected, "other outputs"
    assert [t.dtype for t in expected] == [t.dtype for t in actual], "other output dtypes"
    difference = max((a.double() - b.double()).abs().max().item() for a, b in zip(expected, actual, strict=True))
    return difference, max(a.double().abs().max().item() for a in expected)


def submodule(model, name: str):
    return functools.reduce(getattr, name.split("."), model)


def check_weights(dense, sparse, report: dict, names: set[str]) -> set[str]:
    """Puts PyTorch's pruned weights into `dense`; gives the names of the packed layers."""
    layers = {layer["name"]: layer for layer in report["layers"]}
    selected = {name for name, layer in layers.items() if layer["outcome"] != "dense"}
    parameters = dict(dense.named_parameters(remove_duplicate=False))
    names = {name for name in names if parameters[name].shape[1] % 4 == 0}
    pointers = {parameters[name].data_ptr() for name in names}
    assert names <= selected, f"left out {sorted(names - selected)}"
    assert all(parameters[name].data_ptr() in pointers for name in selected), f"selected {sorted(selected - names)}"
    weights = {}
    for name in selected:
        weights[name] = pytorch_pruned(parameters[name])
    packed = {name for name in selected if layers[name]["outcome"] == "packed"}
    for name, weight in weights.items():
        owner_name, attribute = name.rsplit(".", 1)
        setattr(submodule(dense, owner_name), attribute, torch.nn.Parameter(weight))
        stored = getattr(submodule(sparse, owner_name), attribute)
        stored = stored.unpack() if name in packed else stored
        assert stored.dtype == weight.dtype and torch.equal(stored, weight), f"{name} differs from PyTorch's"
    return packed


def check_interface(dense, sparse, packed: set[str]) -> None:
    def described(model, named):
        return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in named(model)}

    def parameters(model):
        return model.named_parameters(remove_duplicate=False)

    def buffers(model):
        return model.named_buffers(remove_duplicate=False)

    kept = {name: what for name, what in described(dense, parameters).items() if name not in packed}
    assert described(sparse, parameters) == kept, "parameters differ"
    assert described(sparse, buffers) == described(dense, buffers), "buffers differ"
    signature = [[(a.name, str(a.type), a.default_value) for a in model.forward.schema.arguments[1:]]
                 for model in (dense, sparse)]
    assert signature[0] == signature[1], f"signature {signature}"


def linear_names(model) -> set[str]:
    """Linears whose name contains "layer"; of names for one weight, the first: a trace reads it there only, a scripted
    module under each name. What is an embedding's weight too stays dense.
    """
    names, seen = set(), set()

    def visit(module, prefix: str) -> None:
        for name, child in module._modules.items():
            if child.original_name in ("Linear", "Embedding"):
                weight = child.weight.data_ptr()
                if child.original_name == "Linear" and weight not in seen and "layer" in prefix + name:
                    names.add(f"{prefix}{name}.weight")
                seen.add(weight)
            visit(child, f"{prefix}{name}.")

    visit(model, "")
    return names


def real_questions(data: pathlib.Path, arguments: list[str]) -> list:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(data / "minilm_qa" / "tokenizer.json"))
    tokenizer.enable_truncation(384, strategy="only_second")
    tokenizer.enable_padding()
    with gzip.open(data / "squadshifts" / "dev.json.gz") as file:
        articles = json.load(file)["data"]
    pairs = [(qa["question"], paragraph["context"]) for article in articles for paragraph in article["paragraphs"]
             for qa in paragraph["qas"]]
    encoded = tokenizer.encode_batch(pairs[:: max(1, len(pairs) // 16)][:16])
    columns = {"input_ids": [e.ids for e in encoded], "attention_mask": [e.attention_mask for e in encoded],
               "token_type_ids": [e.type_ids for e in encoded]}
    return [torch.tensor(columns[name]) for name in arguments]


def check(build: pathlib.Path, path: pathlib.Path, entry: dict, data: pathlib.Path | None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        status, messages, report = prune(build, path, pathlib.Path(folder))
        if entry["expect"] == "refuse":
            assert status == 4 and "[model]" in messages, f"status {status}: {messages}"
            return "refused: " + messages.strip()[:60]
        assert status == 0, messages
        assert report["probe"]["ran"], report["probe"]["reason"]
        sparse = torch.jit.load(str(pathlib.Path(folder) / "sparse.pt"))
    dense = torch.jit.load(str(path))
    packed = check_weights(dense, sparse, report, linear_names(dense))
    check_interface(dense, sparse, packed)
    dtype = next(p.dtype for p in dense.parameters() if p.is_floating_point())
    batches = input_batches(entry, dtype)
    if data:
        batches.append(real_questions(data, [argument.name for argument in dense.forward.schema.arguments[1:]]))
    worst = 0.0
    for inputs in batches:
        difference, scale = largest_difference(dense, sparse, inputs)
        limit = TOLERANCE[dtype] * max(1.0, scale)
        assert difference <= limit, f"logits differ by {difference} of {scale}"
        worst = max(worst, difference)
    ratio = report["totals"]["packed_bytes"] / report["totals"]["dense_bytes"] if packed else 1.0
    return f"{len(packed)} packed to {ratio:.5f} of their bytes, logits differ by at most {worst:.2g}"


def entries(path: pathlib.Path) -> list[tuple[pathlib.Path, dict]]:
    if path.suffix == ".json":
        return [(path.parent / entry["file"], entry) for entry in json.loads(path.read_text())["models"]]
    arguments = torch.jit.load(str(path)).forward.schema.arguments[1:]
    return [(path, {"name": path.stem, "expect": "prune", "inputs": [BY_NAME[a.name] for a in arguments]})]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("--questions", type=pathlib.Path)
    options = parser.parse_args()
    torch.ops.load_library(str(options.build / "libprune2to4_ops.so"))
    failures = 0
    for path, entry in entries(options.models):
        try:
            print(f"{entry['name']}: {check(options.build, path, entry, options.questions)}")
        except AssertionError as error:
            failures += 1
            print(f"{entry['name']}: WRONG: {error}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
