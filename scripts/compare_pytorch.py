#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares prune2to4's masks with those of torch.ao.pruning.WeightNormSparsifier, element by element.

    compare_pytorch.py build/libprune2to4_ops.so [--model DIR|FILE.safetensors]

Settings: block shapes (1,4) (4,1) (4,4) (8,8), every zeros_per_block, levels 0, 0.5, 0.8, 1, L1 and L2 norm; float32,
float16 and bfloat16; random, tied (small integers) and all-zero weights, and those of a model; shapes that the blocks
divide, and shapes that they do not. It must hold, else it exits 1:

  ties=torch         equals PyTorch's class, always
  ties=lowest_index  equals PyTorch's class on the weight in float32, wherever the float32 scores at the cut differ
                     equals an independent NumPy statement of the tie rule, everywhere

Where the block does not divide the shape, PyTorch's update_mask raises (it adds a cropped tensor mask to a padded block
mask) or leaves a mask of the padded shape that fails when the weight is next used, unless all elements of a block or
none are zeroed; there the comparison is with the class's own two masks, each cropped to the weight's shape.

Without a library only the NumPy statement is compared with PyTorch.
"""

import argparse
import collections
import itertools
import pathlib
import sys
import time
import types
from typing import NamedTuple

import numpy as np
import torch
from torch.ao.pruning import WeightNormSparsifier

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
BLOCKS = ((1, 4), (4, 1), (4, 4), (8, 8))
LEVELS = (0.0, 0.5, 0.8, 1.0)
SHAPES = ((16, 24), (13, 19), (3, 6))


class Setting(NamedTuple):
    level: float
    block: tuple[int, int]
    zeros: int
    norm: int

    @property
    def block_size(self) -> int:
        return self.block[0] * self.block[1]


def all_settings() -> list[Setting]:
    return [Setting(level, block, zeros, norm) for block in BLOCKS for zeros in range(block[0] * block[1] + 1)
            for level, norm in itertools.product(LEVELS, (1, 2))]


def few_settings() -> list[Setting]:
    """For whole matrices of a model."""
    return [Setting(level, block, zeros, 2) for level in (0.5, 0.8, 1.0)
            for block, zeros in (((1, 4), 2), ((1, 4), 4), ((4, 4), 8), ((8, 8), 32))]


def crop(mask: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    return mask[:shape[0], :shape[1]].bool()


def pytorch_update_mask(weight: torch.Tensor, setting: Setting) -> torch.Tensor | None:
    """What the class itself leaves as the mask; None where it raises."""
    sparsifier = WeightNormSparsifier(norm=setting.norm)
    mask = torch.ones_like(weight)
    module = types.SimpleNamespace(
        weight=weight, parametrizations=types.SimpleNamespace(weight=[types.SimpleNamespace(mask=mask)]))
    try:
        sparsifier.update_mask(module, "weight", sparsity_level=setting.level, sparse_block_shape=setting.block,
                               zeros_per_block=setting.zeros)
    except RuntimeError:
        return None
    return mask.bool()


def pytorch_mask(weight: torch.Tensor, setting: Setting) -> torch.Tensor:
    mask = pytorch_update_mask(weight, setting)
    if mask is not None and mask.shape == weight.shape:
        return mask
    sparsifier = WeightNormSparsifier(norm=setting.norm)
    scores = sparsifier.norm_fn(weight)
    mask = crop(sparsifier._make_tensor_mask(scores, scores.shape, setting.level, setting.block), weight.shape)
    if setting.zeros != setting.block_size:
        mask = mask | crop(sparsifier._make_block_mask(scores, setting.block, setting.zeros), weight.shape)
    return mask


def to_blocks(matrix: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """[blocks, block size], row-major both; NaN where the block sticks out."""
    rows, cols = (-(-size // step) * step for size, step in zip(matrix.shape, block))
    padded = np.full((rows, cols), np.nan, np.float32)
    padded[:matrix.shape[0], :matrix.shape[1]] = matrix
    tiles = padded.reshape(rows // block[0], block[0], cols // block[1], block[1])
    return tiles.swapaxes(1, 2).reshape(-1, block[0] * block[1])


def from_blocks(blocks: np.ndarray, block: tuple[int, int], shape: torch.Size) -> torch.Tensor:
    rows, cols = (-(-size // step) for size, step in zip(shape, block))
    tiles = blocks.reshape(rows, cols, *block).swapaxes(1, 2)
    return torch.from_numpy(tiles.reshape(rows * block[0], cols * block[1])[:shape[0], :shape[1]].copy())


def mean_scores(values: np.ndarray, norm: int) -> np.ndarray:
    """Mean of the elements that exist, summed one after the other in float32 as avg_pool2d does."""
    exists = ~np.isnan(values)
    scores = np.where(exists, np.abs(values) if norm == 1 else values * values, np.float32(0))
    total = np.zeros(len(values), np.float32)
    for column in scores.T:
        total += column
    return total / exists.sum(1).astype(np.float32)


def lowest(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each row the `count` lowest, equal ones by ascending index; and which choices no tie at the cut touches."""
    chosen = np.zeros(scores.shape, bool)
    np.put_along_axis(chosen, np.argsort(scores, 1, "stable")[:, :count], True, 1)
    if count in (0, scores.shape[1]):
        return chosen, np.ones_like(chosen)
    ordered = np.sort(scores, 1)
    last, following = ordered[:, count - 1:count], ordered[:, count:count + 1]
    return chosen, (last != following) | ((scores != last) & ~np.isnan(scores))


def reference_mask(weight: torch.Tensor, setting: Setting) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask under the rule "the lower index is pruned", and where PyTorch's float32 scores determine it as well."""
    everywhere = torch.ones(weight.shape, dtype=torch.bool)
    if setting.level <= 0 or setting.zeros == 0:
        return everywhere, everywhere
    values = to_blocks(weight.float().numpy(), setting.block)
    pruned = np.ones(values.shape, bool)
    determined = np.ones(values.shape, bool)
    if setting.level < 1:
        count = max(0, min(len(values) - 1, round(setting.level * len(values))))
        blocks, untied = lowest(mean_scores(values, setting.norm)[None], count)
        pruned, determined = pruned & blocks.T, determined & untied.T
    if setting.zeros < setting.block_size:
        pruned = pruned & lowest(np.abs(values), setting.zeros)[0]
        scores = np.abs(values) if setting.norm == 1 else values * values
        determined = determined & lowest(scores, setting.zeros)[1]
    return tuple(from_blocks(blocks, setting.block, weight.shape) for blocks in (~pruned, determined))


def our_mask(weight: torch.Tensor, setting: Setting, ties: str) -> torch.Tensor:
    return torch.ops.prune2to4.weight_norm_mask(weight, setting.level, list(setting.block), setting.zeros, setting.norm,
                                                ties)


class Comparison:
    def __init__(self, have_library: bool):
        self.have_library = have_library
        self.masks = collections.Counter()
        self.elements = collections.Counter()
        self.differing = collections.Counter()
        self.examples: list[str] = []

    def expect(self, claim: str, actual: torch.Tensor, wanted: torch.Tensor, where: torch.Tensor | None, case) -> None:
        differs = actual != wanted if where is None else (actual != wanted) & where
        self.masks[claim] += 1
        self.elements[claim] += actual.numel() if where is None else int(where.sum())
        if differs.any():
            self.differing[claim] += 1
            row, col = (int(index) for index in differs.nonzero()[0])
            self.examples.append(f"{claim}: {case}: {int(differs.sum())} elements, the first at ({row}, {col})")

    def run(self, name: str, weight: torch.Tensor, setting: Setting) -> None:
        case = f"{name} {tuple(weight.shape)} {weight.dtype} {setting}"
        reference, determined = reference_mask(weight, setting)
        single = pytorch_mask(weight.float(), setting)
        self.expect("NumPy rule = PyTorch where untied", reference, single, determined, case)
        if not self.have_library:
            return
        lowest_index = our_mask(weight, setting, "lowest_index")
        self.expect("lowest_index = NumPy rule", lowest_index, reference, None, case)
        self.expect("lowest_index = PyTorch where untied", lowest_index, single, determined, case)
        native = single if weight.dtype == torch.float32 else pytorch_mask(weight, setting)
        self.expect("torch = PyTorch", our_mask(weight, setting, "torch"), native, None, case)

    def report(self) -> bool:
        print(f"{'claim':38}{'masks':>10}{'elements':>14}{'masks that differ':>20}")
        for claim in self.masks:
            print(f"{claim:38}{self.masks[claim]:10}{self.elements[claim]:14}{self.differing[claim]:20}")
        for example in self.examples[:10]:
            print(f"differs: {example}")
        return not self.examples


def made_weights():
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        yield "random", torch.randn(shape, generator=generator) * 0.05
        yield "tied", torch.randint(-2, 3, shape, generator=generator).float()
        yield "zero", torch.zeros(shape)


def model_weights(path: pathlib.Path) -> dict[str, torch.Tensor]:
    """The matrices of a model's linear layers, those named *layer*.weight."""
    from safetensors.torch import load_file
    tensors = load_file(path / "model.safetensors" if path.is_dir() else path)
    return {name: tensor.float() for name, tensor in tensors.items()
            if tensor.dim() == 2 and "layer" in name and name.endswith(".weight")}


def compare_model(comparison: Comparison, path: pathlib.Path) -> None:
    weights = model_weights(path)
    if not weights:
        raise SystemExit(f"compare_pytorch.py: {path} holds no matrix named *layer*.weight")
    first = next(iter(weights.values()))
    for shape, setting, dtype in itertools.product(SHAPES, all_settings(), DTYPES):
        comparison.run("model", first[:shape[0], :shape[1]].to(dtype).contiguous(), setting)
    two_four = Setting(1.0, (1, 4), 2, 2)
    for name, weight in weights.items():
        for dtype in DTYPES:
            comparison.run(name, weight.to(dtype), two_four)
    for name, weight in {tuple(weight.shape): (name, weight) for name, weight in weights.items()}.values():
        for setting, dtype in itertools.product(few_settings(), DTYPES):
            comparison.run(name, weight.to(dtype), setting)
    print(f"model: {len(weights)} linear layers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="?", type=pathlib.Path, help="libprune2to4_ops.so")
    parser.add_argument("--model", type=pathlib.Path, help="folder with model.safetensors, or such a file")
    options = parser.parse_args()
    if options.library:
        torch.ops.load_library(str(options.library.resolve()))
    torch.set_num_threads(1)  # the matrices are small
    start = time.monotonic()
    comparison = Comparison(options.library is not None)
    for (name, weight), setting, dtype in itertools.product(made_weights(), all_settings(), DTYPES):
        comparison.run(name, weight.to(dtype), setting)
    if options.model:
        compare_model(comparison, options.model)
    same = comparison.report()
    print(f"PyTorch {torch.__version__}, {time.monotonic() - start:.0f} s: {'all equal' if same else 'DIFFERENCES'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
