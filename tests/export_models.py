#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small TorchScript models of every kind that `prune2to4 prune` must take, and manifest.json, into a folder.

    export_models.py FOLDER

manifest.json: {"version": 1, "transformers": "5.17.0", "models": [{"name", "file", "dtype": "fp32"|"fp16"|"bf16",
"expect": "prune" or "refuse" (frozen: it has no parameters), "inputs": [...]}]}. Each input, in the order of forward's
arguments, has a "shape" and a "kind": "ids" (int64 in [1, "high")), "mask" (int64 ones, to be padded with zeros at
will), "segments" (int64 zeros and ones) or "float" (of the model's dtype). Models named *_fixed take that shape only,
the others any batch and length.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import types
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))

import export_bert  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

VOCABULARY = 99
BATCH, LENGTH = 2, 12
COMMON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
          "vocab_size": VOCABULARY, "max_position_embeddings": 48}
ENCODERS = {
    "bert": ("BertConfig", COMMON),
    "roberta": ("RobertaConfig", {**COMMON, "type_vocab_size": 1}),
    "electra": ("ElectraConfig", {**COMMON, "embedding_size": 32}),
    "distilbert": ("DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64,
                                        "vocab_size": VOCABULARY, "max_position_embeddings": 48}),
}
INPUT_KINDS = {"input_ids": {"kind": "ids", "high": VOCABULARY}, "attention_mask": {"kind": "mask"},
               "token_type_ids": {"kind": "segments"}}


@contextlib.contextmanager
def constant_shapes():
    """Within it, a trace records the sizes that Python code asks for as constants: such a graph fits one shape."""
    shape, size = torch.Tensor.shape, torch.Tensor.size

    def untraced(function, *arguments):
        state = torch._C._get_tracing_state()
        torch._C._set_tracing_state(None)
        try:
            return function(*arguments)
        finally:
            torch._C._set_tracing_state(state)

    torch.Tensor.shape = property(lambda tensor: untraced(shape.__get__, tensor))
    torch.Tensor.size = lambda tensor, *dim: untraced(size, tensor, *dim)
    try:
        yield
    finally:
        del torch.Tensor.shape, torch.Tensor.size


def build_encoder(family: str, attention: str, dtype: str) -> torch.nn.Module:
    class_name, values = ENCODERS[family]
    torch.manual_seed(sum(map(ord, family)))
    config = getattr(transformers, class_name)(**values)
    model = transformers.AutoModelForQuestionAnswering.from_config(config, attn_implementation=attention)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.to(getattr(torch, export_bert.DTYPES[dtype])).eval()


def trace_encoder(family: str, attention: str, dtype: str, fixed: bool) -> tuple[torch.jit.ScriptModule, list]:
    model = build_encoder(family, attention, dtype)
    inputs = [{**INPUT_KINDS[name], "shape": [BATCH, LENGTH]} for name in export_bert.input_names(model)]
    if fixed:
        model = export_bert.forward_by_name(model)
        with torch.no_grad(), constant_shapes():
            example = export_bert.example_inputs(model, BATCH, LENGTH, 1)
            return torch.jit.trace(model, example, strict=False, check_trace=False), inputs
    options = types.SimpleNamespace(model=family, fixed_length=None, dtype=dtype, attention=attention)
    return export_bert.trace(model, options), inputs


class ControlFlow(torch.nn.Module):
    """Two linears of one TorchScript type, one without a bias, a branch and a loop."""

    def __init__(self):
        super().__init__()
        self.layer_a = torch.nn.Linear(32, 32)
        self.layer_b = torch.nn.Linear(32, 32)
        self.layer_c = torch.nn.Linear(32, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2):
            x = torch.tanh(self.layer_a(x))
        if bool(x.sum() > 0):
            x = self.layer_b(x)
        else:
            x = x - self.layer_b(x)
        return self.layer_c(x)


class SameModule(torch.nn.Module):
    """One linear under two names."""

    def __init__(self):
        super().__init__()
        self.layer_a = torch.nn.Linear(32, 32)
        self.layer_b = self.layer_a

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer_b(torch.relu(self.layer_a(x)))


class SharedWeight(torch.nn.Module):
    """Two linears with biases of their own and one weight."""

    def __init__(self):
        super().__init__()
        self.layer_a = torch.nn.Linear(32, 32)
        self.layer_b = torch.nn.Linear(32, 32)
        self.layer_b.weight = self.layer_a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer_b(torch.relu(self.layer_a(x)))


class TiedDecoder(torch.nn.Module):
    """A language model's shape: the last linear's weight is the embedding's."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, 32)
        self.layer = torch.nn.Linear(32, 32)
        self.layer_decoder = torch.nn.Linear(32, VOCABULARY)
        self.layer_decoder.weight = self.embedding.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.layer_decoder(torch.relu(self.layer(self.embedding(ids))))


class OddColumns(torch.nn.Module):
    """30 input features cannot be cut into groups of four; 36 leave half a byte of positions unused."""

    def __init__(self):
        super().__init__()
        self.layer_odd = torch.nn.Linear(30, 36)
        self.layer_even = torch.nn.Linear(36, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer_even(torch.relu(self.layer_odd(x)))


def special_models():
    """(name, module, inputs, expectation)."""
    torch.manual_seed(7)
    floats = [{"kind": "float", "shape": [3, 32]}]
    wide = [{"kind": "float", "shape": [3, 30]}]
    ids = [{"kind": "ids", "high": VOCABULARY, "shape": [BATCH, LENGTH]}]
    yield "scripted_control_flow", torch.jit.script(ControlFlow().eval()), floats, "prune"
    yield "scripted_same_module", torch.jit.script(SameModule().eval()), floats, "prune"
    yield "traced_shared_weight", torch.jit.trace(SharedWeight().eval(), torch.randn(3, 32)), floats, "prune"
    example = torch.arange(BATCH * LENGTH).reshape(BATCH, LENGTH)
    yield "traced_tied_decoder", torch.jit.trace(TiedDecoder().eval(), example), ids, "prune"
    yield "traced_odd_columns", torch.jit.trace(OddColumns().eval(), torch.randn(3, 30)), wide, "prune"
    traced, inputs = trace_encoder("bert", "sdpa", "fp32", fixed=False)
    yield "bert_frozen", torch.jit.freeze(traced), inputs, "refuse"


def encoder_models():
    for family in ENCODERS:
        for attention in ("sdpa", "eager"):
            for dtype in export_bert.DTYPES:
                for fixed in (False, True):
                    traced, inputs = trace_encoder(family, attention, dtype, fixed)
                    name = f"{family}_{attention}_{dtype}_{'fixed' if fixed else 'free'}"
                    yield name, traced, inputs, dtype


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    export_bert.silence(transformers)
    warnings.simplefilter("ignore")  # of the tracer: the traces are checked where they are used
    models = []

    def write(name: str, module: torch.jit.ScriptModule, inputs: list, dtype: str, expect: str) -> None:
        torch.jit.save(module, str(folder / f"{name}.pt"))
        models.append({"name": name, "file": f"{name}.pt", "dtype": dtype, "expect": expect, "inputs": inputs})

    for name, module, inputs, dtype in encoder_models():
        write(name, module, inputs, dtype, "prune")
    for name, module, inputs, expect in special_models():
        write(name, module, inputs, "fp32", expect)
    manifest = {"version": 1, "transformers": transformers.__version__, "models": models}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    print(f"{len(models)} models in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
