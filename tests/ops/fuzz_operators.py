#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls every operator and class that the operator library registers with drawn arguments.

    fuzz_operators.py build/libprune2to4_ops.so [--examples N] [--seed N]

A call must either give what plain PyTorch gives or raise a Python exception whose text says something. The calls run in a
process of their own, which leaves the arguments of each in a file: one that ends the process is reported with them.
Exits 1 when anything is wrong. Without --seed the draws are always the same.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import hypothesis.strategies as st
import torch
from hypothesis import HealthCheck, given, seed, settings

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
OTHERS = (torch.float64, torch.int64, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn)
EXPECTED = (ValueError, RuntimeError, TypeError, OverflowError)  # NotImplementedError is a RuntimeError
EXTREME = (-(2**63), -1, 0, 2**31, 2**40, 2**62, 2**63 - 1)
last_call = None  # file that the arguments of each call go to


def filled(shape, dtype, rule):
    generator = torch.Generator().manual_seed(rule["seed"])
    values = torch.randn(shape, generator=generator)
    if rule["ties"]:
        values = values.round()
    if rule["special"] and values.numel() > 0:
        values.view(-1)[rule["seed"] % values.numel()] = rule["special"]
    return values.to(dtype)


def laid_out(tensor, layout):
    """The same values in another layout; those that have none are as they are."""
    if layout == "transposed" and tensor.dim() == 2:
        return tensor.t().contiguous().t()
    if layout == "strided" and tensor.dim() >= 1 and tensor.numel() > 0:
        return torch.stack([tensor, tensor], -1).flatten(-2)[..., ::2]
    if layout == "expanded" and tensor.dim() >= 1 and tensor.numel() > 0:
        return tensor[:1].expand(tensor.shape)
    if layout == "grad" and tensor.is_floating_point():
        return tensor.requires_grad_()
    if layout == "sparse" and tensor.dtype in FLOATS:
        return tensor.to_sparse()
    if layout == "meta":
        return tensor.to("meta")
    if layout == "quantized" and tensor.dtype == torch.float32:
        return torch.quantize_per_tensor(tensor.nan_to_num(), 0.1, 0, torch.qint8)
    if layout == "negated" and tensor.dtype == torch.float32:
        return torch._neg_view(-tensor)
    return tensor


@st.composite
def tensors(draw, shape, dtypes=FLOATS):
    dtype = draw(st.sampled_from(dtypes + dtypes + OTHERS[:draw(st.integers(0, len(OTHERS)))]))
    rule = {"seed": draw(st.integers(0, 999)), "ties": draw(st.booleans()),
            "special": draw(st.sampled_from((0.0,) * 6 + (float("nan"), float("inf"), 1e30)))}
    layout = draw(st.sampled_from(("plain",) * 4 + ("transposed", "strided", "expanded", "grad", "sparse", "meta",
                                                     "quantized", "negated")))
    return laid_out(filled(shape, dtype, rule), layout)


def any_shape(most=3):
    return st.lists(st.integers(0, 9), min_size=0, max_size=most)


matrix_shapes = st.one_of(st.tuples(st.integers(0, 6), st.sampled_from((0, 4, 8, 12, 20))), any_shape(),
                          st.tuples(st.integers(1, 9), st.integers(1, 13)))
sizes = st.one_of(st.integers(1, 8), st.integers(1, 8), st.sampled_from(EXTREME), st.integers(-9, 70))


def described(value):
    if isinstance(value, torch.Tensor):
        return f"tensor {list(value.shape)} {value.dtype} {value.layout} {value.device} strides " \
               f"{value.stride() if value.layout == torch.strided else None}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(described, value)) + ")"
    return repr(value)


def call(name, function, *arguments):
    """What the function gives, or None when it refuses its arguments."""
    last_call.write_text(f"{name}{described(arguments)}")
    try:
        return function(*arguments)
    except EXPECTED as error:
        text = str(error)
        assert len(text) > 10 and "INTERNAL ASSERT" not in text, f"{name} says nothing of use: {text!r}"
        return None


def host(tensor):
    return tensor.detach().resolve_neg().float()


def pruned(weight):
    """2:4 by magnitude, as the sparse operators take it."""
    groups = weight.reshape(-1, 4)
    lowest = groups.abs().argsort(dim=1, stable=True)[:, :2]
    return groups.scatter(1, lowest, 0.0).reshape(weight.shape)


def check_mask(data):
    weight = data.draw(matrix_shapes.flatmap(tensors))
    level = data.draw(st.one_of(st.just(1.0), st.floats(), st.sampled_from((0.0, 0.5))))
    block = data.draw(st.one_of(st.just([1, 4]), st.lists(sizes, max_size=3)))
    zeros, norm = data.draw(st.one_of(st.just(2), sizes)), data.draw(st.one_of(st.just(2), st.integers(-1, 3)))
    ties = data.draw(st.sampled_from(("lowest_index", "torch", "", "none")))
    mask = call("weight_norm_mask", torch.ops.prune2to4.weight_norm_mask, weight, level, block, zeros, norm, ties)
    if mask is None:
        return
    assert mask.dtype == torch.bool and mask.shape == weight.shape
    if level == 1.0 and block == [1, 4] and zeros == 2 and weight.shape[1] % 4 == 0 and ties == "lowest_index":
        values = host(weight)
        if not values.isnan().any():
            groups = values.reshape(-1, 4).abs()
            expected = torch.ones_like(groups, dtype=torch.bool)
            expected.scatter_(1, groups.argsort(dim=1, stable=True)[:, :2], False)
            assert torch.equal(mask.reshape(-1, 4), expected), "not two of four by magnitude"


def check_pack(data):
    weight = data.draw(matrix_shapes.flatmap(tensors))
    if data.draw(st.booleans()) and weight.layout == torch.strided and not weight.is_quantized and not weight.is_meta \
            and weight.dtype in FLOATS and weight.dim() == 2 and weight.shape[1] % 4 == 0:
        weight = pruned(weight.detach().resolve_neg())
    packed = call("pack", torch.ops.prune2to4.pack, weight, data.draw(st.text(max_size=5)))
    if packed is None:
        return
    unpacked = packed.unpack()
    assert unpacked.dtype == weight.dtype and packed.shape() == list(weight.shape)
    # -0.0 reads back as +0.0, which is equal.
    assert torch.equal(unpacked.float().nan_to_num(7.0), host(weight).nan_to_num(7.0)), "unpacked is another weight"
    assert packed.nbytes() == packed.values().nbytes + packed.positions().nbytes


def layers():
    """Packed weights, the last of which the 2:4 kernels take."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for rows, cols, dtype in ((3, 8, torch.float32), (5, 0, torch.float32), (0, 4, torch.float32),
                              (2, 12, torch.bfloat16), (4, 4, torch.float16), (256, 512, torch.float32)):
        weight = pruned(torch.randn(rows, cols, generator=generator)).to(dtype)
        made.append((weight, torch.ops.prune2to4.pack(weight, "layer")))
    return made


def check_linear(data, known=[]):
    known = known or known.extend(layers()) or known
    weight, packed = known[data.draw(st.integers(0, len(known) - 1))]
    rows, cols = weight.shape
    shape = data.draw(st.one_of(st.lists(st.integers(0, 4), max_size=3).map(lambda lead: [*lead, cols]), any_shape()))
    x = data.draw(tensors(shape))
    bias = data.draw(st.one_of(st.none(), tensors([rows]), any_shape().flatmap(tensors)))
    y = call("linear", torch.ops.prune2to4.linear, x, packed, bias)
    if y is None:
        return
    assert list(y.shape) == [*x.shape[:-1], rows] and y.dtype == x.dtype and y.device == x.device
    if y.is_meta or x.dtype not in FLOATS:
        return
    wanted = torch.nn.functional.linear(host(x), weight.to(x.dtype).float(), None if bias is None else host(bias))
    tolerance = 1e-4 if x.dtype == torch.float32 else 0.05
    finite = wanted.isfinite() & (wanted.abs() < 1e4)
    worst = (host(y) - wanted)[finite].abs().max() if finite.any() else 0
    assert worst <= tolerance * (1 + wanted[finite].abs().max() if finite.any() else 1), f"off by {worst}"


def check_state(data, known=[]):
    """What a hostile archive may hand to __setstate__."""
    known = known or known.append(torch.ops.prune2to4.pack(pruned(torch.ones(2, 8)), "layer")) or known
    (version, name, shape, values, positions), qualified = known[0].__getstate__()
    junk = st.one_of(st.none(), st.integers(), st.text(max_size=3), any_shape(2).flatmap(tensors))
    state = (data.draw(st.one_of(st.just(version), st.sampled_from(EXTREME), junk)),
             data.draw(st.one_of(st.just(name), st.text(max_size=9), junk)),
             data.draw(st.one_of(st.just(shape), st.lists(sizes, max_size=3), junk)),
             data.draw(st.one_of(st.just(values), tensors([2, 4]), any_shape().flatmap(tensors), junk)),
             data.draw(st.one_of(st.just(positions),
                                 st.lists(st.integers(0, 255), min_size=2, max_size=2).map(
                                     lambda bytes_: torch.tensor(bytes_, dtype=torch.uint8).reshape(2, 1)), junk)))
    state = state[:data.draw(st.sampled_from((5, 5, 5, 5, 4, 0)))]
    made = torch._C.ScriptObject.__new__(torch._C.ScriptObject)

    def restored():
        made.__setstate__((state, qualified))
        return made

    packed = call("__setstate__", restored, *state)
    if packed is None:
        return
    dense = packed.unpack()
    assert list(dense.shape) == packed.shape() == list(state[2])
    assert (dense.reshape(-1, 4) != 0).sum(1).le(2).all(), "a group with more than two values"
    again = packed.__getstate__()[0]
    assert torch.equal(again[4], state[4].cpu()), "the state is not kept"


CHECKS = {"weight_norm_mask": check_mask, "pack": check_pack, "linear": check_linear, "PackedWeight": check_state}


def registered():
    return {name.split("::")[1] for name in torch._C._dispatch_get_all_op_names() if name.startswith("prune2to4::")}


def work(arguments):
    global last_call
    last_call = pathlib.Path(arguments.worker)
    torch.ops.load_library(arguments.library)
    missing = registered() - set(CHECKS)
    assert not missing, f"registered, but not called here: {missing}"
    for name, check in CHECKS.items():
        drawn = 0

        def counted(data):
            nonlocal drawn
            drawn += 1
            check(data)

        run = settings(max_examples=arguments.examples, deadline=None, database=None, derandomize=arguments.seed is None,
                       suppress_health_check=list(HealthCheck))(given(st.data())(counted))
        (run if arguments.seed is None else seed(arguments.seed)(run))()
        print(f"{name}: {drawn} sets of arguments", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--examples", type=int, default=2000, help="sets of arguments for each operator")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return work(arguments)
    with tempfile.TemporaryDirectory() as folder:
        last = pathlib.Path(folder, "last_call")
        done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--worker", last])
        if done.returncode < 0:
            print(f"signal {-done.returncode} in {last.read_text()}", file=sys.stderr)
        sys.exit(done.returncode != 0)


if __name__ == "__main__":
    main()
