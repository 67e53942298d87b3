#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds our SQuAD metric against Python's own strings.

    check_metric.py DRIVER

DRIVER is the built metric_driver. What evaluate-v1.1.py and evaluate-v2.0.py do is written here once more from their
description, with str.lower, string.punctuation, re and str.split. Compared are the normal forms of every Unicode
scalar value in several contexts, of broken UTF-8 and of random texts built from hard pieces, and the scores of random
prediction sets. Prints the counts; exits 1 on any difference.
"""

import argparse
import collections
import itertools
import json
import pathlib
import random
import re
import string
import struct
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Iterator

import unicodedata2

CONTEXTS = ("{}", "the{}", "{}the", "the {} an", "A\u03a3{}", "A\u03a3{}b", "{}\u03a3")
SCALARS = [*range(0xD800), *range(0xE000, 0x110000)]
BATCH = 1 << 18  # texts to a driver process
TOLERANCE = 1e-9

# utf8proc knows Unicode 15.0, Python 3.11 only 14.0: to the latter, what 15.0 added is no letter, number or mark. Such
# a code point goes through Python as another one that is new to neither and has its category by unicodedata2: that
# is all that str.lower, \w and str.split know of it, since 15.0 added no pair of cases, no white space, and nothing
# cased or case-ignorable for another reason than its category (LATIN and CYRILLIC letters: Ll and Lm).
STAND_INS = {"Lo": "\ua000", "Lm": "\ua015", "Ll": "\u0138", "Mn": "\u0f71", "Mc": "\u0f3e", "Nd": "\u0f20",
             "No": "\u0f2a", "Po": "\u0f04", "So": "\u0f01", "Cf": "\U000110bd"}
ADDED = {c: unicodedata2.category(c) for c in map(chr, SCALARS)
         if unicodedata.category(c) == "Cn" and unicodedata2.category(c) != "Cn"}
STOOD_FOR = str.maketrans({c: STAND_INS[category] for c, category in ADDED.items()})
STANDING = re.compile(f"[{''.join(STAND_INS.values())}]")

ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
NO_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))

WORDS = ("\u03a3 \u03c3 \u03c2 A\u03a3 \u039f\u0394\u039f\u03a3 \u0130 \u0130\u03a3 I i\u0307 \u0131 \u1e9e \u00df "
         "\u01c4 \u01c5 \u212a \u212b \u13a0 \uab70 \U00010400 \U0001d400 a an the A An THE The th\u00e9a aa ana x Z"
         ).split()
MARKS = "\u0301 \u0307 \u0345 \u0483 \u20dd \ufe0f \u0903 \u3099 \U000e0100".split()
IGNORABLES = [*"'.:^`\u00a8\u00ad\u00b7\u02b0\u055f\u05f4\u2018\u2019\u2024\u2027\u200d\u200e\ufe13\uff07"]
SPACES = ["  ", *(chr(c) for c in SCALARS if chr(c).isspace()), *"\u180e\u200b\u2060\ufeff"]
SYMBOLS = [*string.punctuation, *"\u201c\u2014\u3002\u00bf\u20ac\u203f\uff3f\uff01\x00\x7f", "__", "_the_"]
SCRIPTS = [*"\u6f22\u5b57\u3072\u30ab\ud55c\u30fc\u3005\u3007\u0e01\u0e31\u0915\u093f\u05d0\u0627", "a\u6f22"]
DIGITS = [*"09\u0663\u00bd\u00b2\u2167\u2177\u2460\u24b6\u24d0\u00aa\u00ba\U0001f130\U0001f170\U0001d7d8"]
EDGES = [*"\ud7ff\ue000\ufdd0\ufffd\ufffe\uffff\U00010000\U0001f600\U0010ffff"]
# Surrogates written as UTF-8, beginnings of code points, overlong forms, what lies past U+10FFFF.
BROKEN = [b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80",
          b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"]
EDGE_BYTES = bytes.fromhex("20417f808f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5ff")

ANSWER_WORDS = ["cat", "Cat", "cats", "the", "The", "a", "an", "dog's", "dogs", "...", "!", "42", "1,000", "\u0130",
                "i\u0307", "\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2", "caf\u00e9", "CAFE\u0301",
                "the\u0301", "\u00a0", "a\u2003cat", "\u6f22\u5b57", "new-york", "newyork", "\u201cThe\u201d"]


def normalize_known(text: str) -> str:
    text = text.lower().translate(NO_PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", text).split())


def normalize_answer(text: str) -> str:
    if ADDED.keys().isdisjoint(text):
        return normalize_known(text)
    added = [c for c in text if c in ADDED]
    form = normalize_known(text.translate(STOOD_FOR))
    assert len(STANDING.findall(form)) == len(added), f"{text!a} holds a stand-in"
    return STANDING.sub(lambda _, left=iter(added): next(left), form)


def f1_of_words(prediction: list[str], answer: list[str]) -> float:
    common = sum((collections.Counter(prediction) & collections.Counter(answer)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(prediction), common / len(answer)
    return 2 * precision * recall / (precision + recall)


def score_v1(prediction: str, answers: list[str]) -> tuple[float, float]:
    form = normalize_answer(prediction)
    golds = [normalize_answer(answer) for answer in answers]
    return (float(max((form == gold for gold in golds), default=False)),
            max((f1_of_words(form.split(), gold.split()) for gold in golds), default=0.0))


def f1_v2(prediction: list[str], answer: list[str]) -> float:
    if not prediction or not answer:
        return float(prediction == answer)
    return f1_of_words(prediction, answer)


def score_v2(prediction: str, answers: list[str]) -> tuple[float, float]:
    form = normalize_answer(prediction)
    golds = [normalize_answer(answer) for answer in answers if normalize_answer(answer)] or [""]
    return float(max(form == gold for gold in golds)), max(f1_v2(form.split(), gold.split()) for gold in golds)


def means(scores: list[tuple[float, float]]) -> list[float] | None:
    if not scores:
        return None
    return [len(scores), *(100.0 * sum(column) / len(scores) for column in zip(*scores, strict=True))]


def score_set(entry: dict) -> dict:
    version_2 = entry["version"] == "2.0"
    score = score_v2 if version_2 else score_v1
    pairs = list(zip(entry["predictions"], entry["answers"], strict=True))
    scores = [score(prediction, answers) for prediction, answers in pairs]
    kinds = {True: [], False: []}
    if version_2:
        for (_, answers), one in zip(pairs, scores, strict=True):
            kinds[bool(answers)].append(one)
    return {"all": means(scores), "has_answer": means(kinds[True]), "no_answer": means(kinds[False]), "scores": scores}


def run_driver(driver: pathlib.Path, mode: str, sent: bytes) -> bytes:
    return subprocess.run([driver, mode], input=sent, stdout=subprocess.PIPE, check=True).stdout


def check_forms(driver: pathlib.Path, name: str, texts: Iterator[str | bytes]) -> int:
    total = differing = 0
    while batch := list(itertools.islice(texts, BATCH)):
        sent = [text.encode() if isinstance(text, str) else text for text in batch]
        received = run_driver(driver, "normalize", b"".join(struct.pack("<I", len(raw)) + raw for raw in sent))
        expected = [normalize_answer(text if isinstance(text, str) else text.decode(errors="replace"))
                    for text in batch]
        total += len(batch)
        if received == ("\n".join(expected) + "\n").encode():
            continue
        forms = received.decode(errors="replace").split("\n")[:-1]
        if len(forms) != len(batch):
            sys.exit(f"{name}: {len(batch)} texts have {len(forms)} normal forms")
        for text, ours, theirs in zip(batch, forms, expected, strict=True):
            if ours != theirs:
                differing += 1
                if differing <= 5:
                    print(f"  {text!a}: {ours!a}, Python says {theirs!a}")
    print(f"{name}: {total} normal forms, {differing} differ", flush=True)
    return differing


def in_contexts() -> Iterator[str]:
    for scalar in SCALARS:
        for context in CONTEXTS:
            yield context.format(chr(scalar))


def random_texts(count: int) -> Iterator[bytes]:
    generator = random.Random(24)
    kinds = [WORDS, MARKS, IGNORABLES, SPACES, SYMBOLS, SCRIPTS, DIGITS, EDGES, list(ADDED) or EDGES]
    kinds = [[piece.encode() for piece in kind] for kind in kinds]
    weights = [8, 2, 3, 4, 2, 1, 1, 1, 1]
    made = 0
    while made < count:
        pieces = [generator.choice(kind) for kind in generator.choices(kinds, weights, k=generator.randint(1, 24))]
        if made % 4 == 0:
            pieces.insert(generator.randrange(len(pieces)), chr(generator.choice(SCALARS)).encode())
        if made % 4 == 1:
            pieces.insert(generator.randrange(len(pieces) + 1), generator.choice(BROKEN))
        text = b"".join(pieces)
        if not STANDING.search(text.decode(errors="replace")):
            made += 1
            yield text


def random_sets(count: int) -> Iterator[dict]:
    generator = random.Random(16)

    def text() -> str:
        return " ".join(generator.choices(ANSWER_WORDS, k=generator.choice((0, 1, 1, 2, 2, 3, 4, 6))))

    def answers() -> list[str]:
        few = [text() for _ in range(generator.choice((0, 0, 1, 1, 2, 3)))]
        return few + few[:1] if generator.random() < 0.2 else few

    def prediction(golds: list[str]) -> str:
        kind = generator.randrange(6)
        if kind == 0 or (kind < 3 and not golds):
            return ""
        if kind == 1:
            return generator.choice(golds)
        return f"{generator.choice(golds)} {text()}".upper() if kind == 2 else text()

    for i in range(count):
        golds = [answers() for _ in range(generator.randint(1, 8))]
        yield {"version": ("1.1", "2.0")[i % 2], "answers": golds, "predictions": [prediction(gold) for gold in golds]}


def numbers(value) -> Iterable[float | None]:
    """All of a result, None where a mean is missing."""
    if isinstance(value, dict):
        return [number for key in ("all", "has_answer", "no_answer", "scores") for number in numbers(value[key])]
    return itertools.chain.from_iterable(map(numbers, value)) if isinstance(value, (list, tuple)) else [value]


def same(ours: dict, theirs: dict) -> bool:
    a, b = list(numbers(ours)), list(numbers(theirs))
    return len(a) == len(b) and all(x == y if x is None or y is None else abs(x - y) <= TOLERANCE
                                    for x, y in zip(a, b, strict=True))


def check_scores(driver: pathlib.Path, count: int) -> int:
    sets = list(random_sets(count))
    lines = run_driver(driver, "score", "".join(json.dumps(entry) + "\n" for entry in sets).encode()).splitlines()
    if len(lines) != count:
        sys.exit(f"{count} sets have {len(lines)} scores")
    differing = 0
    seen = collections.Counter()
    for entry, line in zip(sets, lines, strict=True):
        ours, theirs = json.loads(line), score_set(entry)
        seen["questions"] += len(entry["answers"])
        seen["without answers"] += entry["answers"].count([])
        seen["with an empty answer"] += sum("" in answers for answers in entry["answers"])
        seen["empty predictions"] += entry["predictions"].count("")
        seen["partly right"] += sum(0 < f1 < 1 for _, f1 in theirs["scores"])
        if not same(ours, theirs):
            differing += 1
            if differing <= 5:
                print(f"  {json.dumps(entry)}: {ours}, Python says {theirs}")
    print(f"prediction sets: {count} ({', '.join(f'{n} {what}' for what, n in seen.items())}), {differing} differ by "
          f"more than {TOLERANCE}")
    return differing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("driver", type=pathlib.Path, help="the built metric_driver")
    driver = parser.parse_args().driver.resolve()
    if unicodedata2.unidata_version != "15.0.0" or int(unicodedata.unidata_version.split(".")[0]) > 15:
        sys.exit(f"Unicode {unicodedata.unidata_version} in Python and {unicodedata2.unidata_version} in unicodedata2: "
                 "needs at most 15.0.0 in the one and 15.0.0 in the other; use the Python of scripts/setup.sh")
    broken = (bytes(text) for text in itertools.product(EDGE_BYTES, repeat=4))
    differing = check_forms(driver, f"{len(SCALARS)} code points in {len(CONTEXTS)} contexts", in_contexts())
    differing += check_forms(driver, f"four of {len(EDGE_BYTES)} bytes", broken)
    differing += check_forms(driver, "random texts", random_texts(100_000))
    differing += check_scores(driver, 10_000)
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
