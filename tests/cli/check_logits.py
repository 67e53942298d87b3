#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what `bench --export-logits` wrote against LibTorch: check_logits.py OPS.so LOGITS.safetensors MODEL.pt [BASELINE.pt]"""

import sys

import safetensors
import safetensors.torch
import torch

TOLERANCE = 1e-5  # of fp32 logits, by the largest of them or 1


def main() -> int:
    library, file, *models = sys.argv[1:]
    torch.ops.load_library(library)
    tensors = safetensors.torch.load_file(file)
    with safetensors.safe_open(file, "pt") as opened:
        names = opened.metadata()
    inputs = [tensors.pop(name) for name in ("input_ids", "attention_mask", "token_type_ids")]
    real = inputs[1].bool()
    roles = ("model", "baseline")[:len(models)]
    assert names == dict(zip(roles, models, strict=True)), names
    for role, name in names.items():
        with torch.no_grad():
            expected = torch.jit.load(name)(*inputs)[:2]
        for part, wanted in zip(("start", "end"), expected, strict=True):
            logits = tensors.pop(f"{role}.{part}_logits")
            assert logits.dtype == torch.float32 and logits.shape == inputs[0].shape, logits
            difference = (logits - wanted)[real].abs().max().item()
            limit = TOLERANCE * max(1, wanted[real].abs().max().item())
            assert difference <= limit, f"{role}, {part}: off by {difference:.3g}, at most {limit:.3g}"
    assert not tensors, tensors.keys()
    print("as LibTorch computes them:", *inputs[0].shape, "tokens,", int(real.sum()), "real")
    return 0


if __name__ == "__main__":
    sys.exit(main())
