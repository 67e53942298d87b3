#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cuts SQuAD questions, or plain text, into windows of token ids for prune2to4.

    tokenize_squad.py IN.json[.gz]|IN.jsonl[.gz]|IN.txt[.gz] OUT.safetensors --tokenizer FOLDER

IN is SQuAD 1.1 or 2.0, as SQuAD or Hugging Face's datasets writes it, or text with a passage a line; FOLDER holds a Hugging Face fast tokenizer (tokenizer.json). A
window is the question and as much of its context as fits, of text the passage alone, without labels. Exit status: 0
written, 2 wrong arguments, 3 the data, 5 reading or writing files. include/prune2to4/tokenized_squad.h has the format.
"""

import argparse
import hashlib
import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import plain_text
import squad_json
import squad_tokenizer
from atomic_file import write_atomically
from console import Progress, say
from file_check import UsageError, check_files, files_of
from squad_json import Squad, SquadError
from squad_tokenizer import SquadTokenizer, TokenizerError

USAGE, DATA, FILE_SYSTEM = 2, 3, 5
FORMAT, FORMAT_VERSION = "prune2to4.squad", "1"
MAX_LENGTH, STRIDE = 384, 128
CHUNK = 1024  # questions tokenized at once
UNKNOWN = np.int32(-1)  # the label of a window that is not trained on
DTYPES = {"int32": "I32", "uint8": "U8"}  # as safetensors spells them


class Windows(NamedTuple):
    """Tokens of some windows, one after another; offsets in bytes of the context, -1 where not context."""
    length: np.ndarray  # int32 [windows]
    example: np.ndarray  # int32 [windows]
    input_ids: np.ndarray  # int32 [tokens]
    token_type_ids: np.ndarray  # uint8 [tokens]
    offsets: np.ndarray  # int32 [tokens, 2]


def tokenize(squad: Squad, tokenizer: SquadTokenizer, max_length: int = MAX_LENGTH, stride: int = STRIDE,
             passages: bool = False, progress: Callable[[int, int], None] = lambda done, total: None
             ) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of questions, or of `passages` alone; `progress` is called with questions done and in all.
    Throws SquadError, and UsageError where no question can be cut with that length and stride.
    """
    check_room(squad, tokenizer, max_length, stride, passages)
    backend = tokenizer.backend
    backend.no_padding()
    backend.enable_truncation(max_length, stride=stride, strategy="only_first" if passages else "only_second",
                              direction="right")
    tables = [byte_table(context) for context in squad.contexts]
    chunks = []
    for first in range(0, len(squad.questions), CHUNK):
        chunks.append(encode(squad, tables, first, backend, passages))
        progress(min(first + CHUNK, len(squad.questions)), len(squad.questions))
    windows = Windows(*map(np.concatenate, zip(*chunks, strict=True)))
    tensors = padded(windows, tokenizer)
    if not passages:
        tensors["start"], tensors["end"] = label(squad, tables, tensors["offsets"], tensors["example"])
    tensors["examples"] = np.frombuffer(examples_json(squad), np.uint8)
    metadata = {"format": FORMAT, "version": FORMAT_VERSION, "squad_version": squad.version,
                "max_length": str(max_length), "stride": str(stride), "pad_token_id": str(tokenizer.pad_token_id),
                "vocabulary_sha256": squad_tokenizer.vocabulary_sha256(backend)}
    return tensors, metadata


def check_room(squad: Squad, tokenizer: SquadTokenizer, max_length: int, stride: int, passages: bool) -> None:
    """The stride must be less than what a question leaves of a window, or windows would not advance."""
    special = tokenizer.backend.num_special_tokens_to_add(not passages)
    if max_length - special <= stride:
        raise UsageError(f"--stride {stride}: windows of --max-length {max_length} have {max(0, max_length - special)} "
                         f"tokens beside the {special} special ones; the stride must be less")
    tokenizer.backend.no_truncation()
    tokenizer.backend.no_padding()
    encoded = tokenizer.backend.encode_batch([question.text.lstrip() for question in squad.questions],
                                             add_special_tokens=False)
    for question, tokens in zip(squad.questions, encoded, strict=True):
        room = max_length - special - len(tokens)
        if room <= stride:
            raise SquadError(f"{question.path}.question: its {len(tokens)} tokens leave {max(0, room)} of {max_length} "
                             f"for the context, which must be more than the stride of {stride}; shorten it, or use a "
                             "larger --max-length or a smaller --stride")


def byte_table(text: str) -> np.ndarray | None:
    """UTF-8 bytes before each character and at the end; None where they are the characters."""
    if text.isascii():
        return None
    code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    table = np.zeros(len(code_points) + 1, np.int32)
    np.cumsum(1 + (code_points >= 0x80) + (code_points >= 0x800) + (code_points >= 0x10000), out=table[1:])
    return table


def encode(squad: Squad, tables: list, first: int, backend, passages: bool) -> Windows:
    questions = squad.questions[first:first + CHUNK]
    contexts = [squad.contexts[question.context] for question in questions]
    texts = contexts if passages else [(question.text.lstrip(), context)
                                       for question, context in zip(questions, contexts, strict=True)]
    ids, types, offsets, sequences, length, example = [], [], [], [], [], []
    for i, encoding in enumerate(backend.encode_batch(texts), first):
        for window in (encoding, *encoding.overflowing):
            ids.extend(window.ids)
            types.extend(window.type_ids)
            offsets.extend(window.offsets)
            sequences.extend(window.sequence_ids)
            length.append(len(window))
            example.append(i)
    lengths = np.array(length, np.int32)
    byte_offsets = np.array(offsets, np.int32).reshape(-1, 2)
    byte_offsets[np.array([sequence != (0 if passages else 1) for sequence in sequences])] = -1
    ends = np.cumsum(lengths)
    for begin, end, i in zip(ends - lengths, ends, example, strict=True):
        table = tables[squad.questions[i].context]
        if table is not None:
            part = byte_offsets[begin:end]
            byte_offsets[begin:end] = np.where(part < 0, -1, table[part])
    return Windows(lengths, np.array(example, np.int32), np.array(ids, np.int32), np.array(types, np.uint8),
                   byte_offsets)


def padded(windows: Windows, tokenizer: SquadTokenizer) -> dict[str, np.ndarray]:
    width = int(windows.length.max())
    shape = (len(windows.length), width)
    real = np.arange(width) < windows.length[:, None]
    tensors = {"input_ids": np.full(shape, tokenizer.pad_token_id, np.int32),
               "token_type_ids": np.zeros(shape, np.uint8), "offsets": np.full((*shape, 2), -1, np.int32)}
    tensors["input_ids"][real] = windows.input_ids
    if tokenizer.has_segments:
        tensors["token_type_ids"][real] = windows.token_type_ids
    tensors["offsets"][real] = windows.offsets
    return tensors | {"length": windows.length, "example": windows.example}


def label(squad: Squad, tables: list, offsets: np.ndarray, example: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of the question's span, 0, 0 where the window does not hold all of it, and -1, -1 where it is not
    known: as run_qa does it, save that an answer takes all tokens of a character that several share (byte-level BPE), where run_qa begins with
    the last of them and ends with the first. A border between tokens (in white space) takes the next one outward.
    """
    spans = np.full((len(squad.questions), 2), -1, np.int32)
    for i, question in enumerate(squad.questions):
        if question.span:
            table = tables[question.context]
            spans[i] = question.span if table is None else table[list(question.span)]
    start, end = np.zeros((2, len(example)), np.int32)
    for block in range(0, len(example), CHUNK):
        rows = slice(block, block + CHUNK)
        start[rows], end[rows] = cover(offsets[rows, :, 0], offsets[rows, :, 1], *spans[example[rows], :, None]
                                       .transpose(1, 0, 2))
    known = np.array([question.is_known for question in squad.questions])[example]
    return np.where(known, start, UNKNOWN), np.where(known, end, UNKNOWN)


def cover(begins: np.ndarray, ends: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fewest tokens that cover bytes first..last - 1: [windows, 1] each, begins and ends [windows, width]."""
    def first_of(mask):
        return mask.argmax(1)

    def last_of(mask):
        return mask.shape[1] - 1 - mask[:, ::-1].argmax(1)

    context = begins >= 0
    before, behind = context & (begins <= first), context & (ends >= last)
    nearest_begin = np.where(before, begins, -1).max(1, keepdims=True)
    nearest_end = np.where(behind, ends, np.iinfo(np.int32).max).min(1, keepdims=True)
    at_start = before & (begins == nearest_begin) & (ends > first)
    at_end = behind & (ends == nearest_end) & (begins < last)
    start = np.where(at_start.any(1), first_of(at_start), last_of(before))
    end = np.where(at_end.any(1), last_of(at_end), first_of(behind))
    held = (first[:, 0] >= 0) & before.any(1) & behind.any(1) & (start <= end)
    return np.where(held, start, 0), np.where(held, end, 0)


def examples_json(squad: Squad) -> bytes:
    examples = [{"id": question.id, "question": question.text, "context": question.context,
                 "answers": question.answers} for question in squad.questions]
    return json.dumps({"contexts": squad.contexts, "examples": examples}, ensure_ascii=False,
                      separators=(",", ":")).encode()


def safetensors_parts(tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> Iterable:
    """A safetensors file, to the byte the same each time; the reference's writer shuffles the metadata."""
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    position = 0
    for name, tensor in ordered:
        header[name] = {"dtype": DTYPES[tensor.dtype.name], "shape": list(tensor.shape),
                        "data_offsets": [position, position + tensor.nbytes]}
        position += tensor.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text,
            *(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).data for _, tensor in ordered)]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN", type=pathlib.Path)
    parser.add_argument("output", metavar="OUT.safetensors", type=pathlib.Path)
    parser.add_argument("--tokenizer", metavar="FOLDER", type=pathlib.Path, required=True)
    parser.add_argument("--max-length", metavar="N", type=int, default=MAX_LENGTH,
                        help="tokens of a window, special ones included (default: %(default)s)")
    parser.add_argument("--stride", metavar="N", type=int, default=STRIDE,
                        help="tokens of the context that a window shares with the next (default: %(default)s)")
    parser.add_argument("--drop-misaligned", action="store_true",
                        help="an answer that is not at its answer_start is no error: another answer of the question is "
                             "learned, or the question is evaluated on, but not trained on")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    options = parser.parse_args(arguments)
    if options.max_length < 1 or options.stride < 0:
        parser.error("--max-length must be at least 1, --stride at least 0")
    return options


def run(options: argparse.Namespace) -> None:
    begun = time.monotonic()
    check_files([("IN", options.input), *files_of("--tokenizer", options.tokenizer)],
                [("OUT.safetensors", options.output)])
    if options.output.is_dir() or not os.access(options.output.absolute().parent, os.W_OK):
        raise OSError(None, "its folder cannot be written, or it is a folder itself", str(options.output))
    content = options.input.read_bytes()
    tokenizer = squad_tokenizer.load_tokenizer(options.tokenizer)
    progress = Progress(options.quiet)
    try:
        passages = options.input.name.endswith(plain_text.SUFFIXES)
        squad = plain_text.examine(content) if passages else squad_json.examine(squad_json.parse(content),
                                                                                options.drop_misaligned)
        tensors, metadata = tokenize(squad, tokenizer, options.max_length, options.stride, passages, progress)
    except SquadError as error:
        raise SquadError(f"{options.input}: {error}") from error
    finally:
        progress.clear()
    metadata |= {"source": options.input.name, "source_sha256": hashlib.sha256(content).hexdigest()}
    size = write_atomically(options.output, safetensors_parts(tensors, metadata))
    if squad.misaligned > 0 and not options.quiet:
        left_out = sum(bool(question.answers) and not question.is_known for question in squad.questions)
        print(f"[tokenize] {squad.misaligned:,} answers are not at their answer_start: {squad.realigned:,} questions are "
              f"trained on another answer, {left_out:,} are not trained on", file=sys.stderr)
    if not options.quiet:
        examples = f"{tensors['example'][-1] + 1:,}"
        kind = f"{examples} passages" if passages else f"SQuAD {metadata['squad_version']}, {examples} questions"
        labels = "no labels" if passages else f"{np.count_nonzero(tensors['end'] > 0):,} with an answer"
        say(f"{options.output}: {kind}, {len(tensors['length']):,} windows of at most {options.max_length} tokens, "
              f"{labels}, {size / 2**20:.1f} MiB, {time.monotonic() - begun:.1f} s")


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        run(options)
        return 0
    except UsageError as error:
        status, message = USAGE, str(error)
    except SquadError as error:
        status, message = DATA, str(error)
    except TokenizerError as error:
        status, message = FILE_SYSTEM if error.missing else DATA, str(error)
    except OSError as error:
        status, message = FILE_SYSTEM, f"{error.filename or options.output}: {error.strerror}"
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    print(f"[tokenize] {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
