#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gives the scripts one file as input and output, or as two outputs, under five names: each pair is refused with exit
status 2, and every file is as it was. A symbolic link that is an output stays one. Exit status: 1 where that fails.
"""

import contextlib
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
DATA = SCRIPTS.parent / "tests" / "data" / "tiny_squad"
sys.path.insert(0, str(SCRIPTS))

import atomic_file  # noqa: E402
import export_bert  # noqa: E402
import split_squad  # noqa: E402
import tokenize_squad  # noqa: E402

MAINS = {"tokenize_squad.py": tokenize_squad.main, "split_squad.py": split_squad.main,
         "export_bert.py": export_bert.main}
# What reads or writes files, by the words that its messages have for each. "folder" holds TOKENIZER and MODEL.
COMMANDS = {
    "tokenize_squad.py": "{IN} {OUT.safetensors} --tokenizer folder",
    "split_squad.py": "{IN.json} {TRAIN.json} {HELD_OUT.json}",
    "export_bert.py": "folder {OUT.pt}"}
INPUTS = {"IN", "IN.json"}
FOLDERS = {"tokenize_squad.py": "--tokenizer", "export_bert.py": "MODEL"}
FOLDER_FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"]


def run(script: str, *arguments: str) -> tuple[int, str]:
    """Exit status and stderr of the script, called in this process."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = MAINS[script]([*arguments])
        except SystemExit as ended:
            status = ended.code
    return status, errors.getvalue()


def state() -> dict[str, str]:
    return {str(path): f"{os.readlink(path) if path.is_symlink() else ''} "
            f"{hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ''}"
            for path in pathlib.Path().rglob("*")}


def spellings(path: str) -> list[str]:
    os.symlink(os.path.join("..", path), "links/soft")
    os.link(path, "links/hard")
    return [path, f"./{path}", f"links/../{path}", "links/soft", "links/hard"]


@contextlib.contextmanager
def work_folder():
    """A fresh current folder with a model and a tokenizer, none of which is more than its name."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            for folder in ("folder", "links"):
                os.mkdir(folder)
            for file in FOLDER_FILES:
                pathlib.Path("folder", file).write_text(file)
            yield
        finally:
            os.chdir(before)


def pairs() -> list[tuple[str, str, str, str]]:
    """Script, the words for both, and the file."""
    found = []
    for script, command in COMMANDS.items():
        words = [word[1:-1] for word in command.split() if word.startswith("{")]
        outputs = [word for word in words if word not in INPUTS]
        found += [(script, word, output, "file") for output in outputs for word in words[:words.index(output)]]
        if script in FOLDERS:
            found += [(script, FOLDERS[script], outputs[0], f"folder/{file}") for file in FOLDER_FILES]
    return found


def check_pair(script: str, first: str, second: str, file: str) -> int:
    with work_folder():
        pathlib.Path(file).write_text("what must stay")
        names = spellings(file)
        for name in names:
            values = {word[1:-1]: f"other-{i}" for i, word in enumerate(COMMANDS[script].split())}
            arguments = COMMANDS[script]
            for word, value in (values | {first: file, second: name}).items():
                arguments = arguments.replace("{" + word + "}", value)
            before = state()
            status, errors = run(script, *arguments.split())
            assert status == 2, f"{script} {arguments}: exit status {status}: {errors}"
            assert f"{first} " in errors and f"{second} {pathlib.Path(name)}" in errors, f"{script} {arguments}: {errors}"
            assert state() == before, f"{script} {arguments}: other files than before"
    return len(names)


def check_links() -> None:
    """An output that is a link, also one that leads nowhere yet: the link stays, its target is the new file."""
    with work_folder():
        for target in ("old", "new"):
            os.symlink(f"../folder/{target}", f"links/{target}")
        pathlib.Path("folder/old").write_text("old")
        arguments = [str(DATA / "dev.json"), "links/old", "links/new"]
        status, errors = run("split_squad.py", *arguments, "--held-out", "0.3")
        assert status == 0, errors
        status, errors = run("tokenize_squad.py", "links/new", "links/old", "--tokenizer", str(DATA), "--quiet")
        assert status == 0, errors
        assert os.path.islink("links/old") and os.path.islink("links/new"), "a link was replaced"
        assert pathlib.Path("folder/old").read_bytes()[8:9] == b"{" and pathlib.Path("folder/new").is_file()
        assert sorted(os.listdir("links")) == ["new", "old"], os.listdir("links")


def check_descriptors() -> None:
    """What stdout leads to is appended to, and not replaced; a device takes any number of outputs."""
    with work_folder(), open("log", "ab") as log:
        log.write(b"before ")
        log.flush()
        atomic_file.write_atomically(f"/dev/fd/{log.fileno()}", [b"after"])
        assert pathlib.Path("log").read_bytes() == b"before after"
        status, errors = run("split_squad.py", str(DATA / "dev.json"), "/dev/null", "/dev/null", "--held-out", "0.3")
        assert status == 0, errors
        for script, command in COMMANDS.items():
            arguments = command.replace("{IN}", "x").replace("{IN.json}", "x")
            status, errors = run(script, *["-" if "{" in word else word for word in arguments.split()])
            assert status == 2 and "stdout" in errors and not pathlib.Path("-").exists(), errors


def check_processes() -> None:
    """The scripts as their users start them."""
    with work_folder():
        pathlib.Path("in.json").write_bytes((DATA / "dev.json").read_bytes())
        os.symlink("in.json", "soft")
        before = state()
        for arguments in (["tokenize_squad.py", "in.json", "soft", "--tokenizer", str(DATA)],
                          ["split_squad.py", "in.json", "train.json", "./train.json"],
                          ["export_bert.py", "folder", "folder/config.json"]):
            done = subprocess.run([sys.executable, SCRIPTS / arguments[0], *arguments[1:]], capture_output=True,
                                  text=True, check=False)
            assert done.returncode == 2 and done.stderr.count("\n") == 1, f"{arguments}: {done.stderr}"
        assert state() == before


def main() -> int:
    try:
        count = sum(check_pair(*pair) for pair in pairs())
        check_links()
        check_descriptors()
        check_processes()
    except AssertionError as error:
        print(f"WRONG: {error}")
        return 1
    print(f"{len(pairs())} pairs of files under {count} names refused, and links kept")
    return 0


if __name__ == "__main__":
    sys.exit(main())
