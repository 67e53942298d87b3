#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the TorchScript files and the question set of tests/data/.

With transformers 5 (that of .venv): tiny_squad/, questions about generated text with their tokenizer, and tiny_bert.pt,
trained to answer them (some minutes on one core), which quickstart.sh prunes.
With transformers 4: {bert,roberta,electra,distilbert}_{sdpa,eager}_tf4.pt, as small as such models get; the tests
make those of transformers 5 themselves (tests/export_models.py). Both sets:

    .venv/bin/python scripts/make_fixtures.py
    .venv/bin/python -m pip install --target /tmp/transformers4 "transformers==4.57.6"
    PYTHONPATH=/tmp/transformers4 .venv/bin/python scripts/make_fixtures.py

All is the same to the byte each time, save tiny_bert.pt: training repeats to the byte on one kind of machine with the
same Torch; elsewhere its sums round differently, and how good the model is has to be read from the scores it prints.
The other models' weights are random, with a spread like that of trained ones. Records of debug information are left
out: they are half of such a file, and hold the paths of the machine that traced it.
"""

import argparse
import hashlib
import io
import itertools
import pathlib
import re
import struct
import sys
import types
import zipfile

import export_bert
import tiny_squad
import torch
import train_tiny
import transformers

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 64,
        "max_position_embeddings": 32}
TRAIN_PARAGRAPHS, DEV_PARAGRAPHS = 500, 80  # of five questions each
DEV_SEED = 1000
# File name, config class, config, attention.
VERSION_4 = [
    ("bert_sdpa_tf4", "BertConfig", TINY, "sdpa"),
    ("bert_eager_tf4", "BertConfig", TINY, "eager"),
    ("roberta_sdpa_tf4", "RobertaConfig", {**TINY, "type_vocab_size": 1}, "sdpa"),
    ("electra_eager_tf4", "ElectraConfig", {**TINY, "embedding_size": 16}, "eager"),
    ("distilbert_sdpa_tf4", "DistilBertConfig", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32,
                                                 "vocab_size": 64, "max_position_embeddings": 32}, "sdpa"),
]


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Matrices get rows of differing scale, vectors a spread around their initial value (0, or 1 in LayerNorm)."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 2:
            scale = torch.exp(0.4 * torch.randn(parameter.shape[0], 1, generator=generator))
            parameter.data = noise * scale * 0.05
        else:
            parameter.data += noise * 0.1


def random_model(config_class: str, values: dict, attention: str, seed: int) -> torch.nn.Module:
    config = getattr(transformers, config_class)(**values)
    model = transformers.AutoModelForQuestionAnswering.from_config(config, attn_implementation=attention).eval()
    randomise(model, seed)
    return model


def trace(model: torch.nn.Module, attention: str) -> torch.jit.ScriptModule:
    options = types.SimpleNamespace(model=type(model).__name__, fixed_length=None, dtype="fp32", attention=attention)
    return export_bert.trace(model, options)


def renumber(records: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Numbers mangled class names in order of appearance: they would count what was traced before."""
    numbers: dict[bytes, bytes] = {}

    def number(match: re.Match) -> bytes:
        # Same width, so that strings in the pickle keep their length.
        return numbers.setdefault(match[0], b"___torch_mangle_%0*d" % (len(match[1]), len(numbers)))

    pattern = re.compile(rb"___torch_mangle_(\d+)")
    return [(pattern.sub(number, name.encode()).decode(),
             pattern.sub(number, data) if name.endswith((".py", "data.pkl")) else data) for name, data in records]


def identify(records: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Makes the archive's identity, 40 digits, one of what is left: LibTorch's covers the debug records too."""
    kept = (data for name, data in records if not name.endswith("serialization_id"))
    digest = hashlib.sha256(b"".join(kept)).hexdigest()
    identity = str(int(digest, 16))[-40:].encode()
    return [(name, identity if name.endswith("serialization_id") else data) for name, data in records]


def stripped_archive(traced: torch.jit.ScriptModule) -> bytes:
    """The archive without debug records, as LibTorch lays it out: tensors aligned to 64 bytes, code deflated."""
    saved = io.BytesIO()
    torch.jit.save(traced, saved)
    source = zipfile.ZipFile(saved)
    records = [(entry.filename, source.read(entry)) for entry in source.infolist()
               if not entry.filename.endswith(".debug_pkl")]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in identify(renumber(records)):
            entry = zipfile.ZipInfo(name)
            if name.endswith(".py"):
                entry.compress_type = zipfile.ZIP_DEFLATED
            else:
                padding = -(target.tell() + 30 + len(name) + 4) % 64
                entry.extra = struct.pack("<2sH", b"FB", padding) + b"Z" * padding
            archive.writestr(entry, data)
    return target.getvalue()


def write_model(traced: torch.jit.ScriptModule, path: pathlib.Path) -> None:
    data = stripped_archive(traced)
    path.write_bytes(data)
    print(f"{path.name}: {len(data)} bytes, transformers {transformers.__version__}")


def make_tiny(folder: pathlib.Path) -> None:
    """tiny_squad/ and tiny_bert.pt, and what the model scores before and after pruning in one step."""
    data = folder / "tiny_squad"
    data.mkdir(exist_ok=True)
    tokenizer = tiny_squad.make_tokenizer()
    tiny_squad.write_tokenizer(tokenizer, data)
    train = list(itertools.islice(tiny_squad.paragraphs("train", train_tiny.SEED), TRAIN_PARAGRAPHS))
    dev = list(itertools.islice(tiny_squad.paragraphs("dev", DEV_SEED), DEV_PARAGRAPHS))
    tiny_squad.write(data / "train.json", train)
    tiny_squad.write(data / "dev.json", dev)
    model = train_tiny.train(tokenizer)
    for name, each in (("dense", model), ("2:4", train_tiny.pruned(model))):
        print("tiny_bert, dev, %s: F1 %.2f, EM %.2f" % (name, *train_tiny.score(each, tokenizer, dev)))
    write_model(trace(model, "sdpa"), folder / "tiny_bert.pt")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data"
    parser.add_argument("--output", type=pathlib.Path, default=default, metavar="DIR", help="default: tests/data")
    options = parser.parse_args()
    export_bert.silence(transformers)
    if not transformers.__version__.startswith("4."):
        make_tiny(options.output)
        return 0
    for seed, (name, config_class, values, attention) in enumerate(VERSION_4, 1):
        model = random_model(config_class, values, attention, seed)
        write_model(trace(model, attention), options.output / f"{name}.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
