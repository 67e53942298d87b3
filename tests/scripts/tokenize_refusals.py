# SPDX-License-Identifier: Apache-2.0
"""What scripts/tokenize_squad.py must refuse: broken data, wrong arguments, files that cannot be read or written."""

import contextlib
import io
import json
import pathlib
import resource
import shutil
import subprocess
import sys

import hostile_squad

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import tokenize_squad  # noqa: E402


def run(*arguments) -> tuple[int, str]:
    """Exit status and stderr of the script, called in this process."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            status = tokenize_squad.main([*map(str, arguments)])
        except SystemExit as ended:
            status = ended.code
    return status, errors.getvalue()


def contents(folder: pathlib.Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def check_refusals(folder: pathlib.Path, tokenizer: pathlib.Path) -> str:
    """Exit status and message of broken input; no file made, an old output untouched."""
    output, source = folder / "out.safetensors", folder / "in.json"
    cases = hostile_squad.hostile_files()
    for i, case in enumerate(cases):
        source.write_bytes(case.content)
        output.write_bytes(b"old") if i % 2 else output.unlink(missing_ok=True)
        before = contents(folder)
        status, errors = run(source, output, "--tokenizer", tokenizer)
        assert status == 3, f"{case.name}: exit status {status}: {errors}"
        assert errors.startswith(f"[tokenize] {source}: "), f"{case.name}: {errors}"
        assert errors.count("\n") == 1 and errors.rstrip("\n").isprintable(), f"{case.name}: {errors!r}"
        assert len(errors) < 600 and ("; " in errors or "must be" in errors or "begins with" in errors), errors
        missing = [text for text in case.says if text not in errors]
        assert not missing, f"{case.name}: no {missing} in: {errors}"
        assert contents(folder) == before, f"{case.name}: other files than before"
    assert len({case.content for case in cases}) == len(cases), "a case is there twice"
    return f"{len(cases)} hostile SQuAD files refused"


def check_arguments(folder: pathlib.Path, tokenizer: pathlib.Path) -> str:
    source, output, empty, broken = (folder / name for name in ("in.json", "out.safetensors", "empty", "broken"))
    source.write_text(json.dumps(hostile_squad.valid()))
    output.unlink(missing_ok=True)
    shutil.copytree(tokenizer, broken)
    empty.mkdir()
    (broken / "tokenizer.json").write_text("{}")
    bare = shutil.copytree(tokenizer, folder / "bare")
    stripped = json.loads((tokenizer / "tokenizer.json").read_text()) | {"post_processor": None}
    (bare / "tokenizer.json").write_text(json.dumps(stripped))
    given = ["--tokenizer", tokenizer]
    cases = [
        (2, "--tokenizer", [source, output]), (2, "at least 1", [source, output, *given, "--max-length", "0"]),
        (2, "--stride 384", [source, output, *given, "--stride", "384"]),
        (2, "61", [source, output, *given, "--max-length", "64", "--stride", "61"]),
        (2, "--stride", [source, output, *given, "--stride=-1"]), (2, "frob", [source, output, *given, "--frob"]),
        (2, "would be overwritten", [source, source, *given]),
        (5, "nowhere.json", [folder / "nowhere.json", output, *given]), (5, str(empty), [empty, output, *given]),
        (5, "nowhere", [source, folder / "nowhere" / "out", *given]), (5, str(empty), [source, empty, *given]),
        (5, "no such folder", [source, output, "--tokenizer", folder / "no"]),
        (5, "no vocabulary", [source, output, "--tokenizer", empty]),
        (3, "tokenizer.json", [source, output, "--tokenizer", broken]),
        (3, "post_processor", [source, output, "--tokenizer", bare]),
        (3, "qas[0].question", [source, output, *given, "--max-length", "64", "--stride", "58"]),
    ]
    for name, content in (("blank.txt", b" \n\n"), ("latin.txt", b"caf\xe9")):
        (folder / name).write_bytes(content)
        cases.append((3, f"{name}: ", [folder / name, output, *given]))
    before = contents(folder)
    for status, says, arguments in cases:
        actual, errors = run(*arguments)
        assert actual == status and says in errors, f"{arguments}: exit status {actual}: {errors}"
        assert contents(folder) == before, f"{arguments}: other files than before"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # noqa: E731
    done = subprocess.run([sys.executable, SCRIPTS / "tokenize_squad.py", source, output, *given], preexec_fn=limit,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 5 and "[tokenize]" in done.stderr, f"full disk: {done.returncode}: {done.stderr}"
    assert contents(folder) == before, "full disk: other files than before"
    return f"{len(cases) + 1} wrong arguments and files refused"
