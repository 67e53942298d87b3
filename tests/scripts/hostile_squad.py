# SPDX-License-Identifier: Apache-2.0
"""Broken SQuAD files: each with what the message must say of the place."""

import copy
import gzip
import json
from collections.abc import Callable
from typing import NamedTuple

CONTEXT = "The café at Ångström Street opened in 1987. “Nobody” came."
PARAGRAPH = "$.data[1].paragraphs[0]"
QUESTION = PARAGRAPH + ".qas[1]"
ANSWER = QUESTION + ".answers[1]"


class Hostile(NamedTuple):
    name: str
    content: bytes
    says: tuple[str, ...]


def question(identifier: str) -> dict:
    return {"id": identifier, "question": "When did it open?", "is_impossible": False,
            "answers": [{"text": "1987", "answer_start": 38}, {"text": "in 1987", "answer_start": 35}]}


def valid() -> dict:
    return {"version": "v2.0", "data": [
        {"title": f"t{i}", "paragraphs": [{"context": CONTEXT, "qas": [question(f"{i}a"), question(f"{i}b")]}]}
        for i in range(2)]}


def edited(change: Callable[[dict, dict, dict, dict], object]) -> bytes:
    """`change` gets the document and the paragraph, question and answer that the paths above name."""
    document = copy.deepcopy(valid())
    paragraph = document["data"][1]["paragraphs"][0]
    change(document, paragraph, paragraph["qas"][1], paragraph["qas"][1]["answers"][1])
    return json.dumps(document).encode()


def replaced(old: str, new: str) -> bytes:
    """In the text of the document, the last time that it is there."""
    head, found, tail = json.dumps(valid()).rpartition(old)
    assert found, old
    return (head + new + tail).encode()


def without(key: str, of: int) -> bytes:
    return edited(lambda *parts: parts[of].pop(key))


def setting(of: int, key: str, value) -> bytes:
    return edited(lambda *parts: parts[of].__setitem__(key, value))


def syntax() -> list[Hostile]:
    text = json.dumps(valid(), indent=1).encode()
    zipped = gzip.compress(text)
    damaged = bytearray(zipped)
    damaged[len(damaged) // 2] ^= 0x55
    line = text[:text.index(b'"paragraphs"')].count(b"\n") + 1
    return [
        Hostile("empty file", b"", ("line 1, column 1", "JSON")),
        Hostile("text", b"no JSON", ("line 1, column 1", "JSON")),
        Hostile("cut short", text[:-40], ("line ", "column ")),
        Hostile("missing colon", text.replace(b'"paragraphs":', b'"paragraphs"', 1), (f"line {line}, column",)),
        Hostile("two values", text + b"{}", ("line ", "Extra data")),
        Hostile("trailing comma", b'{"data": [],}', ("line 1, column 13",)),
        Hostile("truncated gzip", zipped[:-30], ("gzip", "ends early")),
        Hostile("damaged gzip", bytes(damaged), ("gzip", "damaged")),
        Hostile("wrong gzip checksum", zipped[:-8] + bytes(8), ("gzip", "damaged")),
        Hostile("gzip header only", zipped[:5], ("gzip",)),
        Hostile("Latin-1", replaced("1987", "caf\xe9").decode().encode("latin-1"), ("line 1, byte", "UTF-8")),
        Hostile("UTF-16", text.decode().encode("utf-16"), ("line 1, byte 1", "UTF-8")),
        Hostile("surrogate in UTF-8", b'{"data": "\xed\xa0\x80"}', ("line 1, byte 11", "UTF-8")),
        Hostile("control character", b'{"data": "\x01"}', ("line 1, column 11", "control character")),
        Hostile("deep arrays", b'{"data": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", ("$", "nested")),
        Hostile("deep objects", b'{"a":' * 200_000, ("$", "nested")),
        Hostile("long integer", replaced("35", "1" * 5000), ("$", "4300 digits")),
        Hostile("NaN", replaced("35", "NaN"), (ANSWER + ".answer_start", "NaN")),
        Hostile("infinity in an unknown key", b'{"data": [], "x": [0, -Infinity]}', ("$.x[1]", "-Infinity")),
        Hostile("duplicate key", replaced('"text": "in 1987"', '"text": "in", "text": "in 1987"'), (ANSWER, '"text"')),
        Hostile("duplicate key at the top", b'{"data": [], "data": []}', ("$:", '"data"')),
        Hostile("duplicate key far off", b'{"data": [], "a b": {"c": [{"d": 1, "d": NaN}]}}', ('$["a b"].c[0]', '"d"')),
    ]


def wrong_types() -> list[Hostile]:
    question_keys = [("id", 7), ("question", ["a"]), ("is_impossible", 1), ("is_impossible", None), ("answers", {}),
                     ("answers", "1987")]
    answer_keys = [("text", 1987), ("text", None), ("answer_start", "35"), ("answer_start", 35.0),
                   ("answer_start", True), ("answer_start", None), ("answer_start", [35])]
    return [
        Hostile("array at the top", b"[]", ("$:", "has no question")),
        Hostile("null at the top", b"null", ("$:", "object")),
        Hostile("version is a number", setting(0, "version", 2.0), ("$.version", "string", "2.0")),
        Hostile("data is an object", setting(0, "data", {}), ("$.data:", "array")),
        Hostile("article is null", edited(lambda d, *_: d["data"].append(None)), ("$.data[2]:", "object", "null")),
        Hostile("paragraphs is a string", edited(lambda d, *_: d["data"][1].update(paragraphs="x")),
                ("$.data[1].paragraphs", "array")),
        Hostile("context is null", setting(1, "context", None), (PARAGRAPH + ".context", "string")),
        Hostile("qas is true", setting(1, "qas", True), (PARAGRAPH + ".qas", "array", "true")),
        Hostile("question is a list", edited(lambda d, p, *_: p["qas"].__setitem__(1, [])), (QUESTION, "object")),
        Hostile("answer is a string", edited(lambda d, p, q, a: q["answers"].__setitem__(1, "x")), (ANSWER, "object")),
        *(Hostile(f"{key} is {value!r}", setting(2, key, value), (f"{QUESTION}.{key}:",))
          for key, value in question_keys),
        *(Hostile(f"{key} is {value!r}", setting(3, key, value), (f"{ANSWER}.{key}:",)) for key, value in answer_keys),
    ]


def missing_keys() -> list[Hostile]:
    cases = [(0, "data", "$:"), (1, "context", PARAGRAPH), (1, "qas", PARAGRAPH), (2, "id", QUESTION),
             (2, "question", QUESTION), (2, "answers", QUESTION), (3, "text", ANSWER), (3, "answer_start", ANSWER)]
    return [Hostile("no paragraphs", edited(lambda d, *_: d["data"][1].pop("paragraphs")), ("$.data[1]:", '"par')),
            *(Hostile(f"no {key}", without(key, of), (path, f'has no "{key}"')) for of, key, path in cases)]


def wrong_values() -> list[Hostile]:
    start = ANSWER + ".answer_start"
    return [
        Hostile("no article", b'{"version": "1.1", "data": []}', ("$.data", "no question")),
        Hostile("no question", setting(0, "data", [{"paragraphs": [{"context": "x", "qas": []}]}]),
                ("$.data", "no question")),
        Hostile("duplicate id", setting(2, "id", "0b"), (QUESTION + ".id", '"0b"', "$.data[0].paragraphs[0].qas[1]")),
        Hostile("negative start", setting(3, "answer_start", -1), (start, "-1", str(len(CONTEXT)))),
        Hostile("start counted from the end", edited(lambda d, p, q, a: a.update(text=".", answer_start=-1)),
                (start, "-1", "outside")),
        Hostile("start at the end", setting(3, "answer_start", len(CONTEXT)), (start, "outside")),
        Hostile("huge start", setting(3, "answer_start", 10**30), (start, "outside")),
        Hostile("start counted in bytes", setting(3, "answer_start", 38), (start, '"1987. “"', "at 35", "code points")),
        Hostile("answer runs over the end", edited(lambda d, p, q, a: a.update(text="came. Then", answer_start=52)),
                (start, "came.")),
        Hostile("answer not in the context", setting(3, "text", "in 1988"), (start, "in 1988", "anywhere")),
        Hostile("answer in another case", setting(3, "text", "IN 1987"), (start, "IN 1987")),
        Hostile("empty answer", setting(3, "text", ""), (ANSWER + ".text", "empty")),
        Hostile("misaligned answer of an impossible question",
                edited(lambda d, p, q, a: (q.update(is_impossible=True), a.update(answer_start=0))), (start, "at 0")),
        Hostile("lone surrogate in a context", setting(1, "context", CONTEXT + "\ud800"),
                (PARAGRAPH + ".context", f"character {len(CONTEXT)}", "d800")),
        Hostile("lone surrogate in a question", setting(2, "question", "\udfff?"), (QUESTION + ".question", "dfff")),
        Hostile("lone surrogate in an id", setting(2, "id", "é\ud83d"), (QUESTION + ".id", "d83d")),
        Hostile("lone surrogate in an answer", setting(3, "text", "\udc00"), (ANSWER + ".text", "dc00")),
        Hostile("escape sequences in an id",
                edited(lambda d, p, *_: [x.update(id="\x1b[J\u202e") for x in p["qas"]]), (QUESTION, "\\x1b[J\\u202e")),
        Hostile("long question", setting(2, "question", "why? " * 400), (QUESTION + ".question", "tokens", "stride")),
    ]


def hostile_files() -> list[Hostile]:
    return [*syntax(), *wrong_types(), *missing_keys(), *wrong_values()]
