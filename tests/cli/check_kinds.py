#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prunes eleven kinds of model with the built program: each must be packed, and compared without a hint.

    check_kinds.py BUILD [KIND...]

Each model is traced twice: as torch.jit.trace saves it, with the types and shapes of its example inputs in the archive,
and loaded and saved again, which loses them: then the graph alone tells what forward takes. Prints a table: layers
packed, largest difference between the packed and the masked model's outputs, and what they were compared on.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers

IDS = torch.randint(2, 90, (2, 12))
MASK = torch.ones(2, 12, dtype=torch.long)
COMMON = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 99,
          "max_position_embeddings": 40, "return_dict": False}
ALL = {"version": 1, "layers": [{"match": "*"}]}


def text_model(config: str, model: str, inputs: tuple, **values):
    return getattr(transformers, model)(getattr(transformers, config)(**{**COMMON, **values})), inputs


def bert():
    return text_model("BertConfig", "BertForQuestionAnswering", (IDS, MASK, torch.zeros_like(IDS)))


def roberta():
    return text_model("RobertaConfig", "RobertaForSequenceClassification", (IDS, MASK))


def electra():
    return text_model("ElectraConfig", "ElectraForTokenClassification", (IDS, MASK), embedding_size=16)


def distilbert():
    values = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64, "vocab_size": 99, "max_position_embeddings": 40}
    config = transformers.DistilBertConfig(return_dict=False, **values)
    return transformers.DistilBertForSequenceClassification(config), (IDS, MASK)


def albert():
    return text_model("AlbertConfig", "AlbertForSequenceClassification", (IDS, MASK, torch.zeros_like(IDS)),
                      embedding_size=16, num_hidden_layers=3)


def mpnet():
    return text_model("MPNetConfig", "MPNetForSequenceClassification", (IDS, MASK))


def deberta():
    return text_model("DebertaV2Config", "DebertaV2ForSequenceClassification", (IDS, MASK), relative_attention=True,
                      pos_att_type=["p2c", "c2p"], type_vocab_size=0)


def vit():
    config = transformers.ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
                                    image_size=48, patch_size=8)
    return transformers.ViTForImageClassification(config), (torch.randn(1, 3, 48, 48),)


class ConvNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.layer1 = torch.nn.Linear(8 * 10 * 10, 32)
        self.layer2 = torch.nn.Linear(32, 12)

    def forward(self, images):
        x = torch.max_pool2d(torch.relu(self.conv(images)), 2)
        return self.layer2(torch.relu(self.layer1(x.flatten(1))))


def conv_net():
    return ConvNet(), (torch.randn(2, 3, 20, 20),)


def transformer_encoder():
    torch.backends.mha.set_fastpath_enabled(False)
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), (torch.randn(2, 7, 32),)


def mlp():
    layers = [torch.nn.Linear(20, 32), torch.nn.GELU(), torch.nn.Linear(32, 8)]
    return torch.nn.Sequential(*layers), (torch.randn(4, 20),)


KINDS = {"BERT": bert, "RoBERTa": roberta, "ELECTRA": electra, "DistilBERT": distilbert, "ALBERT": albert,
         "MPNet": mpnet, "DeBERTa-v2": deberta, "ViT": vit, "Conv+Linear": conv_net,
         "TransformerEncoder": transformer_encoder, "MLP": mlp}


def export(kind: str, folder: pathlib.Path) -> list[tuple[str, pathlib.Path]]:
    torch.manual_seed(5)
    model, inputs = KINDS[kind]()
    with torch.no_grad():
        traced = torch.jit.trace(model.eval(), inputs, strict=False, check_trace=False)
    first, again = folder / "traced.pt", folder / "again.pt"
    traced.save(str(first))
    torch.jit.load(str(first)).save(str(again))
    return [("traced", first), ("saved again", again)]


def prune(build: pathlib.Path, model: pathlib.Path, folder: pathlib.Path) -> dict:
    config = folder / "layers.json"
    config.write_text(json.dumps(ALL))
    done = subprocess.run([build / "prune2to4", "prune", model, "--config", config, "--quiet", "--format", "json",
                           "--device", "cpu", "--require-comparison"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"exit status {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def row(kind: str, form: str, report: dict) -> str:
    probe, totals = report["probe"], report["totals"]
    assert probe["ran"], probe["reason"]
    assert totals["packed"] >= 1, totals
    assert 0 < probe["largest_logit"] < 1e4 and probe["largest_logit_difference"] <= 1e-4, probe
    inputs = ", ".join(f"{i['name']} {i['dtype']} {i['shape']}" for i in probe["inputs"])
    return (f"{kind:18} {form:12} {totals['packed']:3} of {totals['linear_layers']:2} "
            f"{probe['largest_logit_difference']:9.2g} {inputs}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the tracer
    transformers.logging.set_verbosity_error()
    failures = 0
    print(f"{'kind':18} {'form':12} {'packed':9} {'differs':>9} compared on")
    for kind in options.kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for form, path in export(kind, folder):
                try:
                    print(row(kind, form, prune(options.build, path, folder)), flush=True)
                except AssertionError as error:
                    failures += 1
                    print(f"{kind} {form}: WRONG: {error}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
