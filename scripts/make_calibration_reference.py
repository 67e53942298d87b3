#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/calibration_reference.safetensors: what Wanda and SparseGPT make of random layers.

    .venv/bin/python scripts/make_calibration_reference.py

Written from the papers, in float64 NumPy, without code in common with src/sparse/calibration/: SparseGPT here inverts the
Hessian of the columns that are left, anew for each column. The same to the byte each time on one kind of machine. Of
each case the file holds: weight [out, in], products [in, in], sums [in], tokens, zeros, block; wanda_mask, and
sparsegpt_mask and sparsegpt_weight.
"""

import pathlib

import numpy as np
from atomic_file import write_atomically
from safetensors.numpy import save

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "calibration_reference.safetensors"
DAMPING = 0.01
# name, outputs, inputs, tokens, zeros of a group, size of a group
CASES = [("2_of_4", 16, 48, 300, 2, 4), ("1_of_4", 16, 48, 300, 3, 4), ("4_of_8", 16, 48, 300, 4, 8),
         ("fewer_tokens", 8, 48, 20, 2, 4)]


def lowest(scores: np.ndarray, zeros: int) -> np.ndarray:
    """Which of a group [out, block] go."""
    pruned = np.zeros(scores.shape, bool)
    np.put_along_axis(pruned, np.argsort(scores, axis=1, kind="stable")[:, :zeros], True, axis=1)
    return pruned


def wanda(weight: np.ndarray, inputs: np.ndarray, zeros: int, block: int) -> np.ndarray:
    scores = np.abs(weight) * np.sqrt((inputs ** 2).mean(axis=0))
    keep = np.ones(weight.shape, bool)
    for begin in range(0, weight.shape[1], block):
        keep[:, begin:begin + block] = ~lowest(scores[:, begin:begin + block], zeros)
    return keep


def sparse_gpt(weight: np.ndarray, inputs: np.ndarray, zeros: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    hessian = inputs.T @ inputs
    hessian += DAMPING * np.diag(hessian).mean() * np.eye(len(hessian))
    weight = weight.copy()
    keep = np.ones(weight.shape, bool)
    for column in range(weight.shape[1]):
        inverse = np.linalg.inv(hessian[column:, column:])
        if column % block == 0:
            # What the paper's pruning costs are, with each column's inverse taken when the columns before it are gone.
            costs = [np.linalg.inv(hessian[j:, j:])[0, 0] for j in range(column, column + block)]
            keep[:, column:column + block] = ~lowest(weight[:, column:column + block] ** 2 / np.array(costs), zeros)
        lost = np.where(keep[:, column], 0, weight[:, column])
        weight[:, column:] -= np.outer(lost / inverse[0, 0], inverse[0])
        weight[~keep[:, column], column] = 0
    return keep, weight


def make_case(seed: int, outputs: int, inputs: int, tokens: int, zeros: int, block: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(inputs, inputs)) * np.exp(generator.normal(size=inputs))
    seen = (generator.normal(size=(tokens, inputs)) @ mixing / inputs + 0.1).astype(np.float32).astype(np.float64)
    weight = generator.normal(size=(outputs, inputs)).astype(np.float32)
    keep, updated = sparse_gpt(weight.astype(np.float64), seen, zeros, block)
    return {
        "weight": weight, "products": (seen.T @ seen).astype(np.float32), "sums": seen.sum(axis=0).astype(np.float32),
        "shape": np.array([tokens, zeros, block], np.int64),
        "wanda_mask": wanda(weight.astype(np.float64), seen, zeros, block).astype(np.uint8),
        "sparsegpt_mask": keep.astype(np.uint8), "sparsegpt_weight": updated.astype(np.float32),
    }


def main() -> None:
    tensors = {}
    for seed, (name, *shape) in enumerate(CASES):
        tensors |= {f"{name}.{key}": value for key, value in make_case(seed, *shape).items()}
    write_atomically(OUTPUT, [save(tensors)])


if __name__ == "__main__":
    main()
