#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds scripts/split_squad.py to its word: whole articles, every question in one of two files, the same each time;
broken input refused with nothing written. Exit status: 1 where that fails.
"""

import contextlib
import gzip
import io
import json
import pathlib
import random
import sys
import tempfile

import hostile_squad

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import split_squad  # noqa: E402


def run(*arguments) -> tuple[int, str]:
    """Exit status and stderr of the script, called in this process."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = split_squad.main([*map(str, arguments)])
        except SystemExit as ended:
            status = ended.code
    return status, errors.getvalue()


def sample() -> dict:
    """40 articles of 1 to 8 questions, four of them in two entries, two without a title."""
    generator = random.Random(3)
    data = []
    for i in range(46):
        questions = [hostile_squad.question(f"{i}-{j}") for j in range(generator.randint(1, 8))]
        entry = {"title": f"article {i % 42}", "paragraphs": [{"context": hostile_squad.CONTEXT, "qas": questions}]}
        data.append(entry if i not in (20, 21) else {"paragraphs": entry["paragraphs"]})
    return {"version": "v2.0", "source": "kept", "data": data}


def ids(document: dict) -> list[str]:
    return [question["id"] for entry in document["data"] for paragraph in entry["paragraphs"]
            for question in paragraph["qas"]]


def check_split(folder: pathlib.Path) -> None:
    source, train, held_out = folder / "in.json", folder / "train.json", folder / "held_out.json.gz"
    document = sample()
    drawn = []
    for share in (0.1, 0.3, 0.5):
        for seed in range(10):
            source.write_text(json.dumps(document))
            status, errors = run(source, train, held_out, "--held-out", share, "--seed", seed)
            assert status == 0 and not errors, errors
            rest, held = json.loads(train.read_bytes()), json.loads(gzip.decompress(held_out.read_bytes()))
            titles = [{entry.get("title", id(entry)) for entry in part["data"]} for part in (rest, held)]
            assert not titles[0] & titles[1], f"articles in both: {titles[0] & titles[1]}"
            assert sorted(ids(rest) + ids(held)) == sorted(ids(document)), "questions lost"
            assert rest["source"] == held["source"] == "kept" and rest["version"] == "v2.0"
            assert [entry for entry in document["data"] if entry in held["data"]] == held["data"], "another order"
            actual = len(ids(held)) / len(ids(document))
            assert share - 0.02 <= actual <= share, f"{actual:.3f} held out, not {share}"
            drawn.append(frozenset(ids(held)))
            before = train.read_bytes(), held_out.read_bytes()
            assert run(source, train, held_out, "--held-out", share, "--seed", seed, "--quiet")[0] == 0
            assert (train.read_bytes(), held_out.read_bytes()) == before, "a second run writes other bytes"
    assert len(set(drawn)) == len(drawn), "two seeds draw the same articles"


def check_order(folder: pathlib.Path) -> None:
    document = sample()
    document["data"] = [entry for entry in document["data"] if "title" in entry]
    held = []
    for data in (document["data"], document["data"][::-1]):
        (folder / "in.json").write_text(json.dumps({**document, "data": data}))
        assert run(folder / "in.json", folder / "a", folder / "b")[0] == 0
        held.append(sorted(ids(json.loads((folder / "b").read_bytes()))))
    assert held[0] == held[1], "the order of the file decides"


def check_refusals(folder: pathlib.Path) -> int:
    source, train, held_out = folder / "in.json", folder / "train.json", folder / "held_out.json"
    one = hostile_squad.valid()
    one["data"].pop()
    number = hostile_squad.valid()
    number["data"][1]["title"] = 7
    # Misaligned answers and long questions are the affair of who tokenizes.
    cases = [(case.content, case.says) for case in hostile_squad.hostile_files() if not well_formed(case.content)]
    assert len(cases) > 50, f"{len(cases)} files are malformed"
    cases += [(json.dumps(one).encode(), ("one article",)), (json.dumps(number).encode(), ("$.data[1].title",))]
    for content, says in cases:
        source.write_bytes(content)
        status, errors = run(source, train, held_out, "--held-out", "0.5")
        assert status == 3 and errors.startswith(f"[split] {source}: ") and errors.count("\n") == 1, errors
        assert all(text in errors for text in says), f"no {says} in {errors}"
        assert not train.exists() and not held_out.exists(), "an output was written"
    return len(cases) + check_arguments(source, train, held_out)


def well_formed(content: bytes) -> bool:
    try:
        split_squad.squad_json.examine(split_squad.squad_json.parse(content), drop_misaligned=True)
        return True
    except split_squad.SquadError:
        return False


def check_arguments(source: pathlib.Path, train: pathlib.Path, held_out: pathlib.Path) -> int:
    source.write_text(json.dumps(sample()))
    folder = source.parent
    cases = [(2, "--held-out", [source, train, held_out, "--held-out", "0"]),
             (2, "--held-out", [source, train, held_out, "--held-out", "1"]),
             (2, "--held-out", [source, train, held_out, "--held-out", "nan"]),
             (2, "smallest article", [source, train, held_out, "--held-out", "0.001"]),
             (2, "are one file", [source, train, train]), (2, "would be overwritten", [source, train, source]),
             (5, "nowhere.json", [folder / "nowhere.json", train, held_out]),
             (5, "its folder", [source, train, folder / "nowhere" / "out"]), (5, "folder", [source, folder, held_out])]
    for status, says, arguments in cases:
        actual, errors = run(*arguments)
        assert actual == status and says in errors, f"{arguments}: exit status {actual}: {errors}"
        assert not train.exists() and not held_out.exists(), "an output was written"
    return len(cases)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folders = [pathlib.Path(name) / part for part in ("split", "order", "refusals")]
        for folder in folders:
            folder.mkdir()
        try:
            check_split(folders[0])
            check_order(folders[1])
            print(f"30 splits checked, {check_refusals(folders[2])} inputs refused")
        except AssertionError as error:
            print(f"WRONG: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
