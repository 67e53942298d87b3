#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tokenize_squad.py makes of answers that are misplaced or missing, and of the layouts that SQuAD comes in."""

import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import safetensors.numpy

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER = REPOSITORY / "tests/data/tiny_squad"
SCRIPT = REPOSITORY / "scripts/tokenize_squad.py"
CONTEXT = "Ann has a red hat. Bob has a blue hat."
RED, BLUE = CONTEXT.find("red"), CONTEXT.find("blue")


def question(identifier, *answers):
    return {"id": identifier, "question": "Which hat?",
            "answers": [{"text": text, "answer_start": start} for text, start in answers]}


def nested(*questions, version="1.1"):
    return {"version": version, "data": [{"title": "Hats", "paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}


def run(folder, content, *flags, name="in.json", output="out.safetensors", **options):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return subprocess.run([sys.executable, SCRIPT, path, folder / output, "--tokenizer", TOKENIZER, *flags],
                          capture_output=True, text=True, **options)


def tensors(folder, content, *flags, **options):
    done = run(folder, content, *flags, **options)
    assert done.returncode == 0, done.stderr
    return safetensors.numpy.load_file(folder / "out.safetensors"), done


def refused(folder, content, *said, status=3, **options):
    done = run(folder, content, **options)
    assert done.returncode == status, (done.returncode, done.stderr)
    for text in said:
        assert text in done.stderr, f"no '{text}' in '{done.stderr}'"


def check_misaligned(folder):
    document = nested(question("right", ("red", RED)), question("later", ("red", 3), ("blue", BLUE)),
                      question("wrong", ("red", 3)), question("none"), version="v2.0")
    refused(folder, document, "answer_start", "--drop-misaligned")
    found, done = tensors(folder, document, "--drop-misaligned")
    offsets = found["offsets"]
    spans = [(-1, -1) if start < 0 else (int(offsets[row, start, 0]), int(offsets[row, end, 1]))
             for row, (start, end) in enumerate(zip(found["start"], found["end"]))]
    # Unknown and none are not the same label.
    assert spans[0] == (RED, RED + 3) and spans[1] == (BLUE, BLUE + 4) and spans[2] == (-1, -1), spans
    assert (found["start"][3], found["end"][3]) == (0, 0)
    assert "2 answers are not at their answer_start: 1 questions are trained on another answer, 1 are not" in done.stderr
    assert "2 with an answer" in done.stdout, done.stdout
    examples = json.loads(found["examples"].tobytes())["examples"]
    assert [len(example["answers"]) for example in examples] == [1, 2, 1, 0], "kept for evaluation"


def check_test_sets(folder):
    bare = [{key: value for key, value in question(name).items() if key != "answers"} for name in "ab"]
    found, _ = tensors(folder, nested(*bare, version="v2.0"))
    assert (found["start"] == -1).all() and (found["end"] == -1).all()
    refused(folder, nested(bare[0], question("c", ("red", RED))), "qas[0]: has no \"answers\", which other questions have")


def check_layouts(folder):
    wanted, _ = tensors(folder, nested(question("a", ("red", RED)), question("b")))
    records = [{"id": "a", "title": "Hats", "context": CONTEXT, "question": "Which hat?",
                "answers": {"text": ["red"], "answer_start": [RED]}},
               {"id": "b", "title": "Hats", "context": CONTEXT, "question": "Which hat?",
                "answers": {"text": [], "answer_start": []}}]
    lines = "\n".join(map(json.dumps, records)).encode() + b"\n"
    for name, content in (("array", json.dumps(records).encode()), ("lines", lines), ("lines, gzip", gzip.compress(lines)),
                          ("data", json.dumps({"data": records}).encode()),
                          ("byte order mark", b"\xef\xbb\xbf" + json.dumps(nested(*[question("a", ("red", RED)),
                                                                                     question("b")])).encode())):
        found, _ = tensors(folder, content)
        for key, value in wanted.items():
            assert (found[key] == value).all(), f"{name}: {key}"
    damaged = [records[0], records[1] | {"answers": {"text": ["red"], "answer_start": []}}]
    refused(folder, "\n".join(map(json.dumps, damaged)).encode(), "line 2.answers: has 1 texts and 0 places")
    refused(folder, damaged, "$[1].answers: has 1 texts and 0 places")
    refused(folder, lines + b"{\"id\": \n", "line 3", "no JSON")
    refused(folder, b"PAR1" + bytes(99), "is Parquet", "Dataset.from_parquet")
    refused(folder, b"ARROW1" + bytes(99), "is Arrow")


def check_output(folder):
    document = nested(question("a", ("red", RED)))
    long_name = "n" * 238 + ".safetensors"  # 250 bytes
    assert run(folder, document, output=long_name).returncode == 0
    assert (folder / long_name).is_file()
    # Nobody reads what it says in the end.
    reading, writing = os.pipe()
    os.close(reading)
    (folder / "in.json").write_text(json.dumps(document))
    done = subprocess.run([sys.executable, SCRIPT, folder / "in.json", folder / "piped.safetensors", "--tokenizer", TOKENIZER],
                          stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr)
    assert (folder / "piped.safetensors").is_file()
    assert not list(folder.glob(".*")), "temporaries are left"


def main():
    for check in (check_misaligned, check_test_sets, check_layouts, check_output):
        with tempfile.TemporaryDirectory() as folder:
            check(pathlib.Path(folder))
        print(f"{check.__name__}: passed")


if __name__ == "__main__":
    main()
