#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Splits a SQuAD file by whole articles, so that settings are chosen on texts that training has not seen.

    split_squad.py IN.json[.gz] TRAIN.json HELD_OUT.json --held-out 0.1 --seed 0

IN is SQuAD 1.1 or 2.0; entries of one title are one article. Articles are drawn by the seed and their titles until the
held-out ones have that share of the questions; what is drawn does not depend on the order of the file. An output named
*.gz is compressed. Exit status: 0 written, 2 wrong arguments, 3 the data, 5 reading or writing files.
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import sys
from typing import Any

import squad_json
from atomic_file import write_atomically
from file_check import UsageError, check_files
from squad_json import SquadError

USAGE, DATA, FILE_SYSTEM = 2, 3, 5


def articles(document: dict) -> dict[str, list[int]]:
    """Indices into "data", by title; an entry without one is an article of its own."""
    groups: dict[str, list[int]] = {}
    for i, entry in enumerate(document["data"]):
        path = f"$.data[{i}]"
        title = squad_json.typed(entry["title"], str, f"{path}.title") if "title" in entry else path
        groups.setdefault(title, []).append(i)
    return groups


def questions(entry: dict) -> int:
    return sum(len(paragraph["qas"]) for paragraph in entry["paragraphs"]) if "paragraphs" in entry else 1


def draw(sizes: dict[str, int], share: float, seed: int) -> set[str]:
    """Titles of the held-out articles, `sizes` being questions. At least one article, and not all."""
    target = share * sum(sizes.values())
    drawn: set[str] = set()
    taken = 0
    for title in sorted(sizes, key=lambda title: hashlib.sha256(f"{seed}:{title}".encode()).digest()):
        if sizes[title] and taken + sizes[title] <= target:
            drawn.add(title)
            taken += sizes[title]
    if not drawn:
        size, title = min((size, title) for title, size in sizes.items() if size)
        raise UsageError(f"--held-out {share:g}: is less than the smallest article, {squad_json.printable(title)} with "
                         f"{size} of {sum(sizes.values())} questions; hold out more")
    return drawn


def split(document: Any, share: float, seed: int) -> tuple[dict, dict]:
    """Documents of the remaining and of the held-out articles, in the order of the file. Throws SquadError, and
    UsageError where no article is small enough.
    """
    squad_json.examine(document, drop_misaligned=True)
    if isinstance(document, list):  # flat, as Hugging Face's datasets has it
        document = {"data": list(document)}
    groups = articles(document)
    sizes = {title: sum(questions(document["data"][i]) for i in indices) for title, indices in groups.items()}
    if sum(size > 0 for size in sizes.values()) < 2:
        raise SquadError("$.data: has questions of one article only, which cannot be split; give a file with more")
    held = {i for title in draw(sizes, share, seed) for i in groups[title]}
    parts = ([entry for i, entry in enumerate(document["data"]) if (i in held) == wanted] for wanted in (False, True))
    rest, held_out = ({**document, "data": part} for part in parts)
    return rest, held_out


def contents(document: dict, path: pathlib.Path) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return gzip.compress(text, mtime=0) if path.suffix == ".gz" else text


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN.json[.gz]", type=pathlib.Path)
    parser.add_argument("train", metavar="TRAIN.json", type=pathlib.Path)
    parser.add_argument("held_out", metavar="HELD_OUT.json", type=pathlib.Path)
    parser.add_argument("--held-out", metavar="SHARE", dest="share", type=float, default=0.1,
                        help="of the questions, above 0 and below 1 (default: %(default)s)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    options = parser.parse_args(arguments)
    if not 0 < options.share < 1:
        parser.error("--held-out must be above 0 and below 1")
    return options


def check_paths(options: argparse.Namespace) -> None:
    check_files([("IN.json", options.input)],
                [("TRAIN.json", options.train), ("HELD_OUT.json", options.held_out)])
    for output in (options.train, options.held_out):
        if output.is_dir() or not os.access(output.absolute().parent, os.W_OK):
            raise OSError(None, "its folder cannot be written, or it is a folder itself", str(output))


def run(options: argparse.Namespace) -> None:
    check_paths(options)
    try:
        documents = split(squad_json.parse(options.input.read_bytes()), options.share, options.seed)
    except SquadError as error:
        raise SquadError(f"{options.input}: {error}") from error
    for path, document in zip((options.train, options.held_out), documents, strict=True):
        write_atomically(path, [contents(document, path)])
        if not options.quiet:
            print(f"{path}: {len(articles(document)):,} articles, {sum(map(questions, document['data'])):,} questions")


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        run(options)
        return 0
    except UsageError as error:
        status, message = USAGE, str(error)
    except SquadError as error:
        status, message = DATA, str(error)
    except OSError as error:
        status, message = FILE_SYSTEM, f"{error.filename or options.train}: {error.strerror}"
    print(f"[split] {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
