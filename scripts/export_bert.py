#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports a Hugging Face question-answering model to TorchScript, which `prune2to4 prune` takes.

    export_bert.py MODEL OUT.pt                  MODEL: a folder with config.json and weights, or a hub name
    export_bert.py bert-base OUT.pt --random     random weights, no network

forward(input_ids, attention_mask[, token_type_ids]) returns (start_logits, end_logits), all [batch, length]; the
ids are int64, the logits of the chosen dtype. A pretrained encoder without a question-answering head gets a random one,
to be fine-tuned. The traced module is compared with the model itself on another batch before anything is written. Exit
status: 0 written, 2 wrong arguments, 4 the model, 5 reading or writing files.
"""

import argparse
import inspect
import io
import logging
import os
import pathlib
import sys
import textwrap
import warnings

from atomic_file import write_atomically
from file_check import UsageError, check_files, files_of

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

USAGE, MODEL, FILE_SYSTEM = 2, 4, 5
DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
# Largest logit difference between the traced module and the model, relative to the largest logit.
TOLERANCES = {"fp32": 1e-5, "fp16": 1e-2, "bf16": 5e-2}
# Names that --random knows without network: config class and what differs from its defaults.
ALIASES = {
    "bert-base": ("BertConfig", {}),
    "bert-large": ("BertConfig", {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                                  "intermediate_size": 4096}),
    "distilbert": ("DistilBertConfig", {}),
    "roberta-base": ("RobertaConfig", {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}),
    "electra-base": ("ElectraConfig", {"embedding_size": 768, "hidden_size": 768, "num_attention_heads": 12,
                                       "intermediate_size": 3072}),
}


class ExportError(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL",
                        help="folder, hub name, or with --random one of: " + ", ".join(ALIASES))
    parser.add_argument("output", metavar="OUT.pt", type=pathlib.Path)
    parser.add_argument("--task", choices=["question-answering", "auto"], default="question-answering",
                        help="auto: the class that the model's config names (default: question-answering)")
    parser.add_argument("--dtype", choices=list(DTYPES), default="fp32")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--fixed-length", type=int, metavar="N",
                        help="trace and check for sequences of N tokens only: for a model that traces for one length")
    parser.add_argument("--random", action="store_true", help="random weights from the config alone")
    parser.add_argument("--seed", type=int, default=0, help="of random weights and of a new head (default: 0)")
    options = parser.parse_args(arguments)
    if options.fixed_length is not None and options.fixed_length < 1:
        parser.error("--fixed-length: N must be at least 1")
    return options


def looks_like_folder(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or os.path.isdir(name)


def load_config(options: argparse.Namespace):
    import transformers
    if options.random and options.model in ALIASES:
        class_name, values = ALIASES[options.model]
        return getattr(transformers, class_name)(**values)
    folder = looks_like_folder(options.model)
    if folder and not os.path.isfile(os.path.join(options.model, "config.json")):
        raise ExportError(FILE_SYSTEM, f"{options.model}: no such folder, or no config.json in it")
    try:
        return transformers.AutoConfig.from_pretrained(options.model, local_files_only=folder)
    except OSError as error:
        mend = "" if folder else f"; without network give a folder, or --random with {', '.join(ALIASES)}"
        raise ExportError(MODEL if folder else FILE_SYSTEM,
                          f"{options.model}: its config cannot be read: {first_line(error)}{mend}") from error
    except (ValueError, KeyError) as error:
        raise ExportError(MODEL, f"{options.model}: no model that transformers knows: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    return textwrap.shorten((str(error).strip() or type(error).__name__).splitlines()[0].rstrip("."), 200)


def model_class(config, options: argparse.Namespace):
    import transformers
    if options.task == "question-answering":
        return transformers.AutoModelForQuestionAnswering
    names = getattr(config, "architectures", None) or []
    if len(names) != 1 or not hasattr(transformers, names[0]):
        raise ExportError(MODEL, f"{options.model}: its config names no model class (\"architectures\"); "
                                 "use --task question-answering")
    return getattr(transformers, names[0])


def build_model(options: argparse.Namespace):
    import torch
    config = load_config(options)
    dtype = getattr(torch, DTYPES[options.dtype])
    try:
        if options.random:
            torch.manual_seed(options.seed)
            builder = model_class(config, options)
            build = getattr(builder, "from_config", None) or builder._from_config
            return build(config, attn_implementation=options.attention).to(dtype).eval()
        return load_model(config, dtype, options).eval()
    except OSError as error:
        raise ExportError(FILE_SYSTEM, f"{options.model}: its weights cannot be read: {first_line(error)}") from error
    except ExportError:
        raise
    except Exception as error:  # transformers and safetensors raise many kinds
        raise ExportError(MODEL, f"{options.model}: cannot be loaded for {options.task} with {options.attention} "
                                 f"attention: {first_line(error)}") from error


def load_model(config, dtype, options: argparse.Namespace):
    model, information = model_class(config, options).from_pretrained(
        options.model, config=config, dtype=dtype, attn_implementation=options.attention,
        local_files_only=looks_like_folder(options.model), output_loading_info=True)
    missing = sorted(information["missing_keys"])
    if not missing:
        return model
    architecture = ", ".join(getattr(config, "architectures", None) or ["unknown"])
    if any(name.startswith(f"{model.base_model_prefix}.") for name in missing):
        raise ExportError(MODEL, f"{options.model}: no {options.task} model, it is {architecture} and lacks "
                                 f"{', '.join(missing[:4])}; give one that has all weights of its encoder")
    start_head(model, missing, options.seed)
    print(f"[export] {options.model}: {architecture} without {', '.join(missing)}: these are random (--seed "
          f"{options.seed}); fine-tune the model before you use it", file=sys.stderr)
    return model


def start_head(model, names: list[str], seed: int) -> None:
    """As transformers starts linear layers, and the same for each dtype and version."""
    import torch
    generator = torch.Generator().manual_seed(seed)
    deviation = getattr(model.config, "initializer_range", 0.02)
    with torch.no_grad():
        for name in names:
            parameter = model.get_parameter(name)
            start = torch.zeros(parameter.shape)
            parameter.copy_(start if parameter.dim() < 2 else start.normal_(0, deviation, generator=generator))


def input_names(model) -> list[str]:
    names = ["input_ids", "attention_mask"]
    accepts = inspect.signature(model.forward).parameters
    if "token_type_ids" in accepts and getattr(model.config, "type_vocab_size", 0) > 1:
        names.append("token_type_ids")
    return names


def example_inputs(model, batch: int, length: int, seed: int):
    """Random ids; the last row is padded behind its first half, the second half of each row is segment 1."""
    import torch
    generator = torch.Generator().manual_seed(seed)
    padding = getattr(model.config, "pad_token_id", None) or 0
    ids = torch.randint(min(padding + 1, model.config.vocab_size - 1), model.config.vocab_size, (batch, length),
                        generator=generator)
    mask = torch.ones_like(ids)
    mask[-1, (length + 1) // 2:] = 0
    types = torch.zeros_like(ids)
    types[:, length // 2:] = 1
    ids = ids.where(mask == 1, torch.full_like(ids, padding))
    return (ids, mask, types)[:len(input_names(model))]


def forward_by_name(model):
    """The model with positional inputs in the order of input_names(), without renaming its parameters."""
    names = input_names(model)
    forward = model.forward

    def positional(input_ids, attention_mask, token_type_ids=None):
        inputs = dict(zip(names, (input_ids, attention_mask, token_type_ids)))
        return forward(**inputs, return_dict=False)

    def positional_two(input_ids, attention_mask):
        return positional(input_ids, attention_mask)

    model.forward = positional if len(names) == 3 else positional_two
    return model


def lengths(model, options: argparse.Namespace) -> tuple[int, int]:
    """Of the example that is traced, and of the one that is compared."""
    if options.fixed_length:
        return options.fixed_length, options.fixed_length
    # RoBERTa's positions begin behind the padding index.
    longest = getattr(model.config, "max_position_embeddings", 512) - 2
    return min(64, longest), min(41, longest - 1)


def trace(model, options: argparse.Namespace):
    import torch
    length, other_length = lengths(model, options)
    model = forward_by_name(model)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TracerWarnings: what they warn of is checked below
        try:
            traced = torch.jit.trace(model, example_inputs(model, 2, length, 1), strict=False, check_trace=False)
        except Exception as error:
            raise ExportError(MODEL, f"{options.model}: cannot be traced: {first_line(error)}") from error
        check_trace(model, traced, example_inputs(model, 3, other_length, 2), options)
    return traced


def check_trace(model, traced, inputs, options: argparse.Namespace) -> None:
    batch, length = inputs[0].shape
    where = f"on a batch of {batch} sequences of {length} tokens"
    mend = "" if options.fixed_length else f"; --fixed-length N exports it for one length, --attention " \
        f"{'eager' if options.attention == 'sdpa' else 'sdpa'} may trace better"
    expected = model(*inputs)
    try:
        actual = traced(*inputs)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ExportError(MODEL, f"{options.model}: its trace fails {where}: {reason}{mend}") from error
    for name, want, got in zip(("first", "second"), expected, actual):
        difference = (want.float() - got.float()).abs().max().item()
        if not difference <= TOLERANCES[options.dtype] * max(want.float().abs().max().item(), 1.0):
            raise ExportError(MODEL, f"{options.model}: its trace differs from the model by {difference:.3g} in the "
                                     f"{name} output {where}{mend}")


def write(traced, path: pathlib.Path) -> int:
    """Saves to memory first: LibTorch's own writer aborts the process on a full disk."""
    import torch
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    return write_atomically(path, [buffer.getbuffer()])


def silence(transformers) -> None:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)


def check_output(options: argparse.Namespace) -> None:
    """Against the model's folder: what is read there is never replaced; an earlier export (.pt) may be."""
    try:
        check_files(files_of("MODEL", options.model, besides=".pt"), [("OUT.pt", options.output)])
    except UsageError as error:
        raise ExportError(USAGE, str(error)) from error


def export(options: argparse.Namespace) -> None:
    check_output(options)
    if options.output.is_dir() or not os.access(options.output.absolute().parent, os.W_OK):
        raise ExportError(FILE_SYSTEM, f"{options.output}: its folder cannot be written, or it is a folder itself")
    import transformers
    silence(transformers)
    model = build_model(options)
    traced = trace(model, options)
    try:
        size = write(traced, options.output)
    except OSError as error:
        raise ExportError(FILE_SYSTEM, f"{options.output}: cannot be written: {error.strerror}") from error
    parameters = sum(parameter.numel() for parameter in model.parameters())
    length = f"{options.fixed_length} tokens" if options.fixed_length else "any length"
    print(f"{options.output}: {type(model).__name__}, {parameters / 1e6:.1f} M parameters, {options.dtype}, "
          f"{options.attention} attention, {length}, {size / 2**20:.1f} MiB; "
          f"inputs {', '.join(input_names(model))}; transformers {transformers.__version__}")


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        export(options)
    except ExportError as error:
        print(f"[export] {error}", file=sys.stderr)
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
