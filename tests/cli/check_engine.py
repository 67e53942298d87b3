#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Question-answering models that take their inputs in every form are run by the encoder engine, with PyTorch's logits.

    check_engine.py PROGRAM

Each model is small and random, made by transformers, traced and given to `bench --export-logits`.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import safetensors.torch
import torch
import transformers

SMALL = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
         "max_position_embeddings": 40, "return_dict": False}
ROLES = {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids", "positions": "position_ids"}
# The forms that a model is exported in: argument names in order, each with its part.
FORMS = {
    "ids, mask": {"input_ids": "ids", "attention_mask": "mask"},
    "mask first": {"attention_mask": "mask", "input_ids": "ids", "token_type_ids": "types"},
    "ids, types": {"input_ids": "ids", "token_type_ids": "types"},
    "positions": {"input_ids": "ids", "attention_mask": "mask", "token_type_ids": "types", "position_ids": "positions"},
    "as Google's": {"input_ids": "ids", "input_mask": "mask", "segment_ids": "types"},
    "other names": {"m": "mask", "x": "ids"},
    "ids alone": {"input_ids": "ids"},
}


def models():
    torch.manual_seed(0)
    yield "BERT", transformers.BertForQuestionAnswering(transformers.BertConfig(**SMALL))
    yield "ELECTRA", transformers.ElectraForQuestionAnswering(transformers.ElectraConfig(**SMALL, embedding_size=32))
    yield "RoBERTa", transformers.RobertaForQuestionAnswering(
        transformers.RobertaConfig(**SMALL | {"type_vocab_size": 1}, pad_token_id=1))


def wrapped(model, form):
    """The model with arguments of these names, in this order."""
    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

    given = ", ".join(f"{ROLES[part]}={name}" for name, part in form.items())
    scope = {}
    exec(f"def forward(self, {', '.join(form)}):\n  return self.model({given})[:2]", scope)
    Wrapped.forward = scope["forward"]
    return Wrapped().eval()


def inputs(form, family, rows=2, length=16):
    ids = torch.randint(5, 60, (rows, length))
    first = 2 if family == "RoBERTa" else 0
    values = {"ids": ids, "mask": torch.ones_like(ids), "types": torch.zeros_like(ids),
              "positions": torch.arange(first, first + length).expand(rows, length).contiguous()}
    return tuple(values[part] for part in form.values())


def bench(program, folder, module, example):
    """The engine that a module runs by, and what --export-logits writes."""
    path = folder / "model.pt"
    torch.jit.trace(module, example, check_trace=False).save(str(path))
    done = subprocess.run([program, "bench", path, "--device", "cpu", "--batch", "3", "--length", "20", "--min-seconds", "0.01",
                           "--repeats", "1", "--quiet", "--format", "json", "--export-logits", folder / "logits.safetensors"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["models"][0]["engine"], safetensors.torch.load_file(folder / "logits.safetensors")


def check(program, folder, family, model, name, form):
    module = wrapped(model.eval(), form)
    engine, saved = bench(program, folder, module, inputs(form, family))
    assert engine == "encoder engine", f"{family}, {name}: {engine}"
    batch = {"ids": saved["input_ids"], "mask": saved["attention_mask"], "types": saved["token_type_ids"]}
    first = 2 if family == "RoBERTa" else 0
    batch["positions"] = torch.arange(first, first + batch["ids"].shape[1]).expand(batch["ids"].shape).contiguous()
    with torch.no_grad():
        start, end = module(*(batch[part] for part in form.values()))
    real = batch["mask"].bool()
    worst = max((saved[f"model.{key}_logits"] - value)[real].abs().max().item()
                for key, value in (("start", start), ("end", end)))
    assert worst < 1e-4, f"{family}, {name}: off by {worst}"
    return worst


def check_refusals(program, folder):
    """What is no BERT by its arithmetic is told so, with the difference and its place."""
    form = FORMS["ids, mask"]
    config = transformers.BertConfig(**SMALL | {"hidden_act": "relu", "initializer_range": 0.5})
    model = transformers.BertForQuestionAnswering(config).eval()
    engine, _ = bench(program, folder, wrapped(model, form), inputs(form, "BERT"))
    for text in ("interpreter (no BERT encoder was recognised: its logits differ", "% of the largest",
                 "from its embeddings or its first layer (", "encoder.layer.0) on", "aten::relu ("):
        assert text in engine, f"relu: no '{text}' in '{engine}'"
    print(f"relu: {engine}", flush=True)


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        for family, model in models():
            for name, form in FORMS.items():
                if family == "RoBERTa" and "types" in form.values():
                    form = {key: part for key, part in form.items() if part != "types"}
                print(f"{family}, {name}: {check(program, pathlib.Path(folder), family, model, name, form):.1e}", flush=True)
        check_refusals(program, pathlib.Path(folder))


if __name__ == "__main__":
    main()
