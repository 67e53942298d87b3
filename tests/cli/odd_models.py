#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes models into the current folder that `prune2to4 prune` must say something about, one of each kind."""

import warnings

import torch
from torch.nn.utils import parametrizations, prune

warnings.simplefilter("ignore")  # of the tracer, and of what is deprecated there
torch.manual_seed(0)
X = torch.randn(2, 32)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = torch.nn.Linear(32, 32)
        self.layer2 = torch.nn.Linear(32, 12)
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.layer2(self.dropout(torch.relu(self.layer1(x))))


class Narrow(torch.nn.Module):
    """No width is divisible by 4, or only the second."""

    def __init__(self, second: int):
        super().__init__()
        self.layer1 = torch.nn.Linear(30, second)
        self.layer2 = torch.nn.Linear(second, 2)

    def forward(self, x):
        return self.layer2(torch.relu(self.layer1(x)))


class Plain(torch.nn.Module):
    """No name contains "layer"."""

    def __init__(self, first: torch.nn.Module | None = None):
        super().__init__()
        self.first = first or torch.nn.Linear(32, 32)
        self.second = torch.nn.Linear(32, 8)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


class Conv1D(torch.nn.Module):
    """As transformers' GPT-2 has it: the weight is [in, out]."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(32, 32))
        self.bias = torch.nn.Parameter(torch.zeros(32))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, 32), self.weight).view(x.size())


class Lora(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.base_layer = torch.nn.Linear(32, 32)
        self.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(32, 8, bias=False)})
        self.lora_B = torch.nn.ModuleDict({"default": torch.nn.Linear(8, 32, bias=False)})

    def forward(self, x):
        return self.base_layer(x) + self.lora_B["default"](self.lora_A["default"](x)) * 2


class Classes(Net):
    def forward(self, x):
        return super().forward(x).argmax(-1), x > 0


class Pair(Net):
    """Two inputs, of which neither the graph nor a trace says enough."""

    def forward(self, left: torch.Tensor, rest: list[torch.Tensor]):
        return self.layer2(self.dropout(self.layer1(left + rest[0])))


class Normed(Net):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(12)

    def forward(self, x):
        return self.norm(super().forward(x))


class WithMethod(Net):
    """A sub-module's method that forward does not call."""

    class Inner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(32, 32)

        def forward(self, x):
            return self.layer(x)

        @torch.jit.export
        def twice(self, x):
            return self.layer(self.layer(x))

    def __init__(self):
        super().__init__()
        self.inner = WithMethod.Inner()

    def forward(self, x):
        return self.layer1(self.inner(x))


class SameBlock(torch.nn.Module):
    """ALBERT's way: one block's weights in many calls, which a trace records as methods forward1, forward2, ..."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.ReLU())

    def forward(self, x):
        for _ in range(4):
            x = self.layer(x)
        return x


def trace(name: str, model: torch.nn.Module, example=X) -> torch.jit.ScriptModule:
    with torch.no_grad():
        traced = torch.jit.trace(model, example, check_trace=False)
    traced.save(f"{name}.pt")
    return traced


def encoder() -> torch.nn.Module:
    return torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2).eval()


def reparametrized():
    first = torch.nn.Linear(32, 32)
    prune.l1_unstructured(first, "weight", 0.5)
    trace("pruned", Plain(first).eval())
    trace("weight_norm", Plain(parametrizations.weight_norm(torch.nn.Linear(32, 32))).eval())
    model = Net().eval()
    sparsifier = torch.ao.pruning.WeightNormSparsifier(sparse_block_shape=(1, 4), zeros_per_block=2)
    sparsifier.prepare(model, None)
    sparsifier.step()
    trace("unsquashed", model)


def main():
    trace("narrow", Narrow(30).eval(), torch.randn(2, 30))
    trace("half_narrow", Narrow(32).eval(), torch.randn(2, 30))
    trace("plain_training", Plain(torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.Dropout())).train())
    trace("plain", Plain().eval())
    trace("conv1d", Plain(Conv1D()).eval())
    trace("lora", Lora().eval())
    trace("classes", Classes().eval())
    trace("training", Net().train())
    trace("norm_training", Normed().train())
    trace("same_block", SameBlock().eval())
    trace("fast_path", encoder(), torch.randn(2, 5, 32))
    torch.jit.script(encoder()).save("fast_path_script.pt")
    torch.jit.script(Pair().eval()).save("pair.pt")
    torch.jit.script(WithMethod().eval()).save("method.pt")
    torch.jit.optimize_for_inference(torch.jit.trace(Net().eval(), X)).save("inference.pt")
    quantized = torch.ao.quantization.quantize_dynamic(Net().eval(), {torch.nn.Linear})
    trace("quantized", quantized)
    reparametrized()


main()
