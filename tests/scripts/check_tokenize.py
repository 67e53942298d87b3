#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds scripts/tokenize_squad.py against transformers' own tokenizers.

    check_tokenize.py [DATA]

On generated text (squad_samples.py) and, where DATA has minilm_qa/ and squadshifts/, on a real set: ids, windows and
offsets are those of a tokenizer's call; windows cover each context; labels are those of run_qa and read back as the
answers. Broken input is refused and leaves nothing behind (tokenize_refusals.py). Exit status: 1 where that fails.
"""

import argparse
import collections
import gzip
import itertools
import json
import os
import pathlib
import shutil
import sys
import tempfile

import hostile_squad
import numpy as np
import safetensors
import squad_samples
import transformers
from tokenize_refusals import check_arguments, check_refusals, run

SHAPES = [(64, 12), (48, 0), (384, 128)]  # max length and stride
Count = collections.Counter


def load(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, str], dict]:
    with safetensors.safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    return tensors, metadata, json.loads(tensors["examples"].tobytes())


def questions_of(document: dict) -> list[tuple[dict, str]]:
    return [(question, paragraph["context"]) for article in document["data"] for paragraph in article["paragraphs"]
            for question in paragraph["qas"]]


def check_examples(document: dict, texts: dict) -> None:
    expected = [(question["id"], question["question"], context, [answer["text"] for answer in question["answers"]])
                for question, context in questions_of(document)]
    assert expected == [(example["id"], example["question"], texts["contexts"][example["context"]], example["answers"])
                        for example in texts["examples"]], "examples differ"


def check_windows(document: dict, tensors: dict, tokenizer, max_length: int, stride: int) -> dict:
    """Gives what transformers' call gives, after comparing it with the tensors."""
    pairs = questions_of(document)
    wanted = tokenizer([question["question"].lstrip() for question, _ in pairs], [context for _, context in pairs],
                       truncation="only_second", max_length=max_length, stride=stride, padding=True,
                       return_overflowing_tokens=True, return_offsets_mapping=True)
    width = tensors["input_ids"].shape[1]
    assert np.array_equal(tensors["input_ids"], np.array(wanted["input_ids"])), "input_ids differ"
    assert np.array_equal(tensors["example"], wanted["overflow_to_sample_mapping"]), "example differs"
    mask = np.array(wanted["attention_mask"])
    assert np.array_equal(np.arange(width) < tensors["length"][:, None], mask), "length differs"
    types = np.array(wanted.get("token_type_ids", np.zeros_like(mask)))
    assert np.array_equal(tensors["token_type_ids"], types), "token_type_ids differ"
    for window, offsets in enumerate(wanted["offset_mapping"]):
        context = pairs[wanted["overflow_to_sample_mapping"][window]][1]
        expected = [(len(context[:begin].encode()), len(context[:end].encode())) if sequence == 1 else (-1, -1)
                    for (begin, end), sequence in zip(offsets, wanted.sequence_ids(window), strict=True)]
        assert tensors["offsets"][window].tolist() == [list(pair) for pair in expected], f"offsets of window {window}"
        check_text(tensors["offsets"][window], offsets, context)
    return wanted


def check_text(byte_offsets: np.ndarray, offsets: list, context: str) -> None:
    utf8 = context.encode()
    for (begin, end), (first, last) in zip(byte_offsets.tolist(), offsets, strict=True):
        assert begin < 0 or utf8[begin:end].decode() == context[first:last], f"bytes {begin}..{end}"


def check_cover(document: dict, tensors: dict, tokenizer, stride: int) -> int:
    """The windows of an example, without what they share, are its context's tokens."""
    tokens = 0
    windows = itertools.groupby(range(len(tensors["example"])), lambda window: tensors["example"][window])
    for (_, of_example), (_, context) in zip(windows, questions_of(document), strict=True):
        joined: list[int] = []
        for window in of_example:
            inside = tensors["offsets"][window, :, 0] >= 0
            ids = tensors["input_ids"][window][inside].tolist()
            shared = stride if joined else 0
            assert not shared or joined[-shared:] == ids[:shared], f"window {window} shares other tokens"
            joined += ids[shared:]
        whole = tokenizer("", context)
        assert joined == [token for token, sequence in zip(whole["input_ids"], whole.sequence_ids()) if sequence == 1]
        tokens += len(joined)
    return tokens


def label_of_run_qa(offsets: list, context_tokens: list[int], begin: int, end: int) -> tuple[int, int]:
    """prepare_train_features of transformers' run_qa.py, kept from walking past the context's last token."""
    first, last = context_tokens[0], context_tokens[-1]
    if offsets[first][0] > begin or offsets[last][1] < end:
        return 0, 0
    while first <= context_tokens[-1] and offsets[first][0] <= begin:
        first += 1
    while last >= context_tokens[0] and offsets[last][1] >= end:
        last -= 1
    return first - 1, last + 1


def check_labels(document: dict, tensors: dict, wanted: dict) -> Count:
    count: Count = Count()
    pairs = questions_of(document)
    for window, offsets in enumerate(wanted["offset_mapping"]):
        question, context = pairs[tensors["example"][window]]
        label = int(tensors["start"][window]), int(tensors["end"][window])
        tokens = [i for i, sequence in enumerate(wanted.sequence_ids(window)) if sequence == 1]
        if not question["answers"] or not tokens:
            assert label == (0, 0), f"{question['id']} has no answer, label {label}"
            count["windows without answer"] += 1
            continue
        begin = question["answers"][0]["answer_start"]
        end = begin + len(question["answers"][0]["text"])
        expected = label_of_run_qa(offsets, tokens, begin, end)
        if expected == (0, 0):
            assert label == (0, 0), f"{question['id']} has no answer in window {window}, label {label}"
            count["windows without answer"] += 1
            continue
        count["labelled spans"] += 1
        if label != expected:
            check_shared(offsets, label, expected, question["id"])
            count["labels that differ from run_qa's (characters of several tokens)"] += 1
        count[check_span(offsets, tokens, label, begin, end, f"{question['id']} window {window}: {label}")] += 1
        first, last = tensors["offsets"][window, label[0], 0], tensors["offsets"][window, label[1], 1]
        text = context.encode()[first:last].decode()
        assert question["answers"][0]["text"] in text, f"{question['id']}: {text!r}"
    return count


def check_shared(offsets: list, label: tuple, expected: tuple, name: str) -> None:
    """That they differ by tokens of one character only."""
    for mine, other in zip(label, expected, strict=True):
        between = [offsets[i] for i in range(min(mine, other), max(mine, other) + 1)]
        assert all(a[0] < b[1] and b[0] < a[1] for a, b in itertools.pairwise(between)), \
            f"{name}: {label}, run_qa {expected}"


def check_span(offsets: list, tokens: list[int], label: tuple, begin: int, end: int, name: str) -> str:
    """That the span covers the answer and no shorter one does; whether it is the answer exactly."""
    start, last = label
    assert tokens[0] <= start <= last <= tokens[-1], name
    assert offsets[start][0] <= begin and offsets[last][1] >= end, f"{name} does not cover"
    borders = any(offsets[i][0] == begin < offsets[i][1] for i in tokens) and \
        any(offsets[i][0] < offsets[i][1] == end for i in tokens)
    if (offsets[start][0], offsets[last][1]) == (begin, end):
        return "spans that are the answer"
    assert not borders, f"{name} has more than the answer"
    later = [offsets[i] for i in tokens if i > start and offsets[i][0] > offsets[start][0]]
    earlier = [offsets[i] for i in tokens if i < last and offsets[i][1] < offsets[last][1]]
    assert all(offset[0] > begin for offset in later) and all(offset[1] < end for offset in earlier), f"{name} is wide"
    return "spans that cover it (its borders are within tokens)"


def check_set(path: pathlib.Path, tokenizer, folder: pathlib.Path, output: pathlib.Path, shape: tuple) -> Count:
    max_length, stride = shape
    status, errors = run(path, output, "--tokenizer", folder, "--max-length", max_length, "--stride", stride, "--quiet")
    assert status == 0 and not errors, errors
    document = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    tensors, metadata, texts = load(output)
    assert (metadata["max_length"], metadata["stride"]) == (str(max_length), str(stride)), metadata
    assert metadata["pad_token_id"] == str(tokenizer.pad_token_id), metadata
    assert metadata["squad_version"] == document["version"].removeprefix("v"), metadata
    check_examples(document, texts)
    wanted = check_windows(document, tensors, tokenizer, max_length, stride)
    count = Count(windows=len(tensors["length"]), tokens=int(tensors["length"].sum()))
    count["context tokens"] += check_cover(document, tensors, tokenizer, stride)
    return count + check_labels(document, tensors, wanted)


def check_drop(folder: pathlib.Path, tokenizer: pathlib.Path) -> None:
    """--drop-misaligned: an answer that is in its place decides, or the label is unknown; the metric still knows all texts."""
    document = hostile_squad.valid()
    for answer, known in ((0, True), (1, False)):
        document["data"][0]["paragraphs"][0]["qas"][1]["answers"][answer]["answer_start"] = 3
        (folder / "in.json").write_text(json.dumps(document))
        status, errors = run(folder / "in.json", folder / "dropped", "--tokenizer", tokenizer, "--drop-misaligned",
                             "--quiet")
        assert status == 0, errors
        tensors, _, texts = load(folder / "dropped")
        assert (tensors["end"] > 0).tolist() == [True, known, True, True], tensors["end"]
        assert (tensors["end"] == -1).tolist() == [False, not known, False, False], tensors["end"]
        assert texts["examples"][1]["answers"] == ["1987", "in 1987"], texts["examples"][1]


def check_plain(folder: pathlib.Path, tokenizer, name: pathlib.Path, shape: tuple) -> int:
    """Text is a passage a line, cut as a call of the tokenizer without a question cuts it, and has no labels."""
    max_length, stride = shape
    passages = ["A first passage.", "Zo\u00eb \u6771\u4eac \U0001f600 e\u0301. " * 40, "the last " * 90]
    source, output = folder / "text.txt", folder / "text.safetensors"
    source.write_bytes(f"{passages[0]}\r\n\n  {passages[1]}\n \n{passages[2]}".encode())
    status, errors = run(source, output, "--tokenizer", name, "--max-length", max_length, "--stride", stride, "--quiet")
    assert status == 0 and not errors, errors
    tensors, metadata, texts = load(output)
    assert "start" not in tensors and "end" not in tensors, "text has labels"
    assert metadata["source"] == "text.txt" and metadata["squad_version"] == "1.1", metadata
    stripped = [passage.strip() for passage in passages]
    assert texts["contexts"] == stripped, texts["contexts"]
    assert [(example["id"], example["question"], example["answers"]) for example in texts["examples"]] == \
        [("line 1", "", []), ("line 3", "", []), ("line 5", "", [])], texts["examples"]
    wanted = tokenizer(stripped, truncation=True, max_length=max_length, stride=stride, padding=True,
                       return_overflowing_tokens=True, return_offsets_mapping=True)
    assert np.array_equal(tensors["input_ids"], np.array(wanted["input_ids"])), "input_ids of text differ"
    assert np.array_equal(tensors["example"], wanted["overflow_to_sample_mapping"]), "example of text differs"
    assert np.array_equal(tensors["length"], np.array(wanted["attention_mask"]).sum(1)), "length of text differs"
    for window, offsets in enumerate(wanted["offset_mapping"]):
        text = stripped[wanted["overflow_to_sample_mapping"][window]]
        expected = [[len(text[:begin].encode()), len(text[:end].encode())] if sequence == 0 else [-1, -1]
                    for (begin, end), sequence in zip(offsets, wanted.sequence_ids(window), strict=True)]
        assert tensors["offsets"][window].tolist() == expected, f"offsets of window {window} of text"
    return len(tensors["length"])


def check_fallback(folder: pathlib.Path, tokenizer: pathlib.Path, source: pathlib.Path) -> None:
    """Without tokenizer.json transformers builds the tokenizer; and a second run writes the same bytes."""
    bare = folder / "vocabulary"
    bare.mkdir()
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"]
    (bare / "vocab.txt").write_text("".join(f"{token}\n" for token in sorted(vocabulary, key=vocabulary.get)))
    for name in ("config.json", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, bare)
    outputs = [folder / "first", folder / "second", folder / "third"]
    for output, given in zip(outputs, (tokenizer, tokenizer, bare), strict=True):
        status, errors = run(source, output, "--tokenizer", given, "--quiet")
        assert status == 0, errors
    assert outputs[0].read_bytes() == outputs[1].read_bytes() == outputs[2].read_bytes(), "other bytes"


def check(folder: pathlib.Path, data: pathlib.Path | None) -> None:
    made = squad_samples.make_tokenizers(folder / "tokenizers")
    output = folder / "out"
    for version in ("1.1", "v2.0"):
        source = folder / f"{version}.json"
        source.write_text(json.dumps(squad_samples.document(7, version)))
        for name, tokenizer in made.items():
            count = sum((check_set(source, tokenizer, folder / "tokenizers" / name, output, shape)
                         for shape in SHAPES), Count())
            print(f"SQuAD {version}, {name}: {', '.join(f'{value:,} {what}' for what, value in count.items())}")
    for name, tokenizer in made.items():
        windows = [check_plain(folder, tokenizer, folder / "tokenizers" / name, shape) for shape in SHAPES]
        print(f"plain text, {name}: {' + '.join(map(str, windows))} windows")
    check_fallback(folder, folder / "tokenizers" / "bert_uncased", folder / "1.1.json")
    for part in (check_refusals, check_arguments):
        work = folder / part.__name__
        work.mkdir()
        print(part(work, folder / "tokenizers" / "bert_cased"))
    check_drop(folder, folder / "tokenizers" / "bert_cased")
    if data and (data / "minilm_qa" / "tokenizer.json").exists() and (data / "squadshifts" / "dev.json.gz").exists():
        tokenizer = transformers.AutoTokenizer.from_pretrained(data / "minilm_qa", local_files_only=True)
        count = check_set(data / "squadshifts" / "dev.json.gz", tokenizer, data / "minilm_qa", output, SHAPES[-1])
        print(f"real questions: {', '.join(f'{value:,} {what}' for what, value in count.items())}")
    else:
        print("real questions: skipped, no data")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA", type=pathlib.Path, nargs="?")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(pathlib.Path(folder), options.data)
        except AssertionError as error:
            print(f"WRONG: {error}")
            return 1
    return 0


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    sys.exit(main())
