#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes archives that `prune2to4` must refuse into the current folder; nan.pt from model.pt there."""

import zipfile

import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x):
        return self.layer(x)


class SavesInForward(Net):
    def forward(self, x):
        y = self.layer(x)
        torch.save(y, "stolen")
        return y


class ReadsInForward(Net):
    def forward(self, x):
        return self.layer(x) + torch.from_file("/etc/hostname", size=8, dtype=torch.uint8)


class RunsOnLoad(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.flag: bool = True

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        return (self.flag, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[bool, bool]):
        torch.save(torch.zeros(1), "stolen")
        self.flag = state[0]
        self.training = state[1]


class HoldsRunsOnLoad(Net):
    def __init__(self):
        super().__init__()
        self.child = RunsOnLoad()

    def forward(self, x):
        return self.layer(self.child(x))


class NoLinear(torch.nn.Module):
    def forward(self, x):
        return x + 1


def save_nan():
    model = torch.jit.load("model.pt")
    with torch.no_grad():
        dict(model.named_parameters())["bert.encoder.layer.0.output.dense.weight"][3, 5] = float("nan")
    model.save("nan.pt")


def save_bad_code():
    torch.jit.script(Net()).save("good.pt")
    with zipfile.ZipFile("good.pt") as good, zipfile.ZipFile("bad_code.pt", "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, data.replace(b"def forward(", b"def forward)") if name.endswith(".py") else data)


def save_exported():
    """torch.export's archive, and one with the records that it had before PyTorch 2.8."""
    torch.export.save(torch.export.export(Net().eval(), (torch.zeros(1, 8),)), "exported.pt2")
    with zipfile.ZipFile("exported_old.pt2", "w") as old:
        for name in ("serialized_exported_program.json", "serialized_state_dict.pt", "version"):
            old.writestr(name, "{}")


def main():
    save_nan()
    save_bad_code()
    save_exported()
    torch.jit.script(SavesInForward()).save("saves.pt")
    torch.jit.script(ReadsInForward()).save("reads.pt")
    torch.jit.script(HoldsRunsOnLoad()).save("setstate.pt")
    torch.jit.script(NoLinear()).save("no_linear.pt")
    torch.jit.freeze(torch.jit.script(Net()).eval()).save("frozen.pt")
    torch.save(Net().state_dict(), "state_dict.pt")


main()
