#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds a sparse model on the GPU against the masked dense model on the CPU: check_gpu.py OPS.so STEM

STEM.pt is the dense trace, STEM.2to4.pt and STEM.json what `prune2to4 prune --device cuda --format json` made of it.
"""

import json
import sys

import torch

# Largest difference of logits, relative to the largest, between the CPU's and the GPU's kernels.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}


def attribute(model, path: str):
    for name in path.split("."):
        model = getattr(model, name)
    return model


def masked_dense(stem: str, report: dict) -> torch.jit.ScriptModule:
    dense, sparse = torch.jit.load(f"{stem}.pt"), torch.jit.load(f"{stem}.2to4.pt")
    parameters = dict(dense.named_parameters())
    with torch.no_grad():
        for layer in report["layers"]:
            if layer["outcome"] == "packed":
                parameters[layer["name"]].copy_(attribute(sparse, layer["name"]).unpack())
    return dense


def close(what: str, actual: torch.Tensor, expected: torch.Tensor) -> None:
    difference = (actual.cpu().double() - expected.cpu().double()).abs().max().item()
    limit = TOLERANCE[expected.dtype] * max(1.0, expected.abs().max().item())
    print(f"{what}: logits differ by {difference:.3g}, at most {limit:.3g}")
    if not difference <= limit:
        sys.exit(f"{what}: WRONG")


def main() -> int:
    torch.ops.load_library(sys.argv[1])
    stem = sys.argv[2]
    with open(f"{stem}.json", encoding="utf-8") as file:
        report = json.load(file)
    assert report["probe"]["ran"] and report["probe"]["device"].startswith("cuda"), report["probe"]
    assert report["totals"]["packed"] == 72, report["totals"]

    torch.manual_seed(0)
    ids = torch.randint(100, 28000, (4, 128))
    mask = torch.ones_like(ids)
    mask[1, 70:] = 0
    inputs = (ids, mask, torch.zeros_like(ids))
    on_gpu = [tensor.cuda() for tensor in inputs]
    with torch.no_grad():
        expected = masked_dense(stem, report)(*inputs)[0]
        sparse = torch.jit.load(f"{stem}.2to4.pt").cuda()
        for run in range(3):  # the executor compiles another graph after the first runs
            close(f"run {run}", sparse(*on_gpu)[0], expected)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = sparse(*on_gpu)[0]
        stream.synchronize()
        close("another stream", output, expected)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = sparse(*on_gpu)[0]
        output.zero_()
        graph.replay()
        torch.cuda.synchronize()
        close("captured graph", output, expected)
        weight = torch.randn(64, 128, device="cuda")
        assert torch.equal(torch.ops.prune2to4.weight_norm_mask(weight).cpu(),
                           torch.ops.prune2to4.weight_norm_mask(weight.cpu())), "masks differ by device"
    return 0


if __name__ == "__main__":
    sys.exit(main())
