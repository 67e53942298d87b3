#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the parts of src/ include one another in one direction only, and that libraries stay where they belong.

The order is core < sparse < ops < model < dist < runtime < eval, bench, calibration < sensitivity, train < commands, cuda < main.
A part includes public headers (include/prune2to4/*.h) of its own or an earlier part, and the headers in its own
folder; nobody else's. A public header belongs to the part whose folder holds the .cpp of the same name, or to what
HEADER_PARTS says.

    check_includes.py [--root DIR]              prints "file:line: reason" for each violation; exits 1 if any
    check_includes.py --list-torch-free DIR...  the .cpp files there that do not include Torch, even indirectly
    check_includes.py --self-test               plants one violation of each kind in a temporary tree
"""

import argparse
import pathlib
import re
import sys
import tempfile
from dataclasses import dataclass, field

RANKS = {"core": 0, "sparse": 1, "ops": 2, "model": 3, "dist": 4, "runtime": 5, "eval": 6, "bench": 6, "calibration": 6,
         "sensitivity": 7, "train": 7, "commands": 8, "cuda": 8, "main": 9}
# Public headers without a .cpp of their name, or with several; and two that sparse implements, but whose plain data
# (options, sizes of the packed form) core reads and writes.
HEADER_PARTS = {"api": "core", "error": "core", "mask": "core", "packed_matrix": "core", "model": "model",
                "commands": "commands", "train": "train", "training_options": "core", "comm": "dist", "cuda_backend": "dist",
                "sensitivity": "sensitivity",
                "bench": "bench", "calibration": "sparse", "gate": "core", "layer_kernel": "core",
                "lru_map": "core", "training_report": "core", "environment_names": "core", "report_files": "core"}
SOURCE_SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

LIBRARIES = {
    "Torch": re.compile(r"^(torch|ATen|c10|caffe2)/"),
    "spdlog": re.compile(r"^spdlog/"),
    "fmt": re.compile(r"^fmt/"),
    "CLI11": re.compile(r"^CLI/"),
    "nlohmann/json": re.compile(r"^nlohmann/"),
    "valijson": re.compile(r"^valijson/"),
    "mustache": re.compile(r"^(kainjow/)?mustache\.hpp$"),
    "OpenSSL": re.compile(r"^openssl/"),
    "RE2": re.compile(r"^re2/"),
    "libdeflate": re.compile(r"^libdeflate\.h$"),
    "utf8proc": re.compile(r"^utf8proc\.h$"),
}


@dataclass
class Source:
    path: pathlib.PurePosixPath  # relative to the root
    part: str | None
    public: bool
    includes: list[tuple[int, bool, str]] = field(default_factory=list)  # line, quoted, name
    project: list[tuple[int, pathlib.PurePosixPath]] = field(default_factory=list)  # those that are ours


def library_of(name: str) -> str | None:
    return next((library for library, pattern in LIBRARIES.items() if pattern.match(name)), None)


def source_part(path: pathlib.PurePosixPath) -> str:
    return "main" if path.parts[1:] == ("main.cpp",) else path.parts[1]


def header_parts(root: pathlib.Path) -> dict[str, str]:
    """Stem of a public header to its part."""
    parts = dict(HEADER_PARTS)
    for path in sorted(root.glob("src/*/**/*.cpp")):
        parts.setdefault(path.stem, path.relative_to(root).parts[1])
    return parts


def read_sources(root: pathlib.Path) -> dict[pathlib.PurePosixPath, Source]:
    parts = header_parts(root)
    sources = {}
    for folder in ("include", "src"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCE_SUFFIXES:
                continue
            name = pathlib.PurePosixPath(path.relative_to(root).as_posix())
            public = folder == "include"
            source = Source(name, parts.get(path.stem) if public else source_part(name), public)
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if match := INCLUDE.match(line):
                    source.includes.append((number, match[1] == '"', match[2]))
            sources[name] = source
    for source in sources.values():
        resolve(source, sources)
    return sources


def resolve(source: Source, sources: dict[pathlib.PurePosixPath, Source]) -> None:
    """Fills `project`: an include is ours when it names a file beside the source, under src/ or under include/."""
    for number, _, name in source.includes:
        beside = source.path.parent / name
        for candidate in (beside, pathlib.PurePosixPath("src") / name, pathlib.PurePosixPath("include") / name):
            normal = pathlib.PurePosixPath(normalise(candidate))
            if normal in sources:
                source.project.append((number, normal))
                break


def normalise(path: pathlib.PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def torch_users(sources: dict[pathlib.PurePosixPath, Source]) -> set[pathlib.PurePosixPath]:
    """Files that include Torch themselves or through our headers."""
    users = {path for path, source in sources.items()
             if any(library_of(name) == "Torch" for _, _, name in source.includes)}
    while True:
        more = {path for path, source in sources.items()
                if path not in users and any(target in users for _, target in source.project)}
        if not more:
            return users
        users |= more


def check_project_includes(source: Source, sources, torch) -> list[tuple[int, str]]:
    found = []
    for number, path in source.project:
        target = sources[path]
        if target.part is None or source.part is None:
            continue  # reported once, at the header itself
        if RANKS[target.part] > RANKS[source.part] or (
                RANKS[target.part] == RANKS[source.part] and target.part != source.part):
            found.append((number, f"{source.part} must not include {path}, which is part of {target.part}"))
        elif source.public and not target.public:
            found.append((number, f"a public header must not include {path}, which is not public"))
        elif not target.public and target.part != source.part:
            found.append((number, f"{path} is {target.part}'s own: what two parts use belongs in include/prune2to4/"))
        if source.part == "core" and path in torch:
            found.append((number, f"core must stay free of Torch, which {path} includes"))
    return found


def check_library_includes(source: Source, torch) -> list[tuple[int, str]]:
    found = []
    for number, _, name in source.includes:
        library = library_of(name)
        if library is None:
            continue
        if library == "Torch":
            if source.part == "core":
                found.append((number, f"core must stay free of Torch: {name}"))
        elif source.public:
            found.append((number, f"{library} must not show in a public header: {name}"))
        elif library in ("spdlog", "fmt") and source.path in torch:
            found.append((number, f"{library} must not meet Torch in one file, which ships its own fmt: {name}"))
        elif library in ("spdlog", "fmt") and source.path.suffix != ".cpp":
            found.append((number, f"{library} belongs in .cpp files: {name}"))
        elif library == "CLI11" and source.part not in ("commands", "main"):
            found.append((number, f"CLI11 belongs in src/commands and src/main.cpp: {name}"))
    return found


def check(root: pathlib.Path) -> list[str]:
    sources = read_sources(root)
    torch = torch_users(sources)
    violations = []
    for path, source in sources.items():
        if source.part not in RANKS:
            kind = "a .cpp of this name in src/, or an entry in HEADER_PARTS" if source.public else "a known part"
            violations.append(f"{path}:1: belongs to no part: it needs {kind}")
            source.part = None
    for path, source in sources.items():
        found = check_project_includes(source, sources, torch) + check_library_includes(source, torch)
        violations += [f"{path}:{number}: {reason}" for number, reason in sorted(found)]
    return violations


SELF_TEST_FILES = {
    "include/prune2to4/error.h": "#include <string>\n",
    "include/prune2to4/mask.h": "#include <nlohmann/json.hpp>\n",                          # library in public header
    "include/prune2to4/packed.h": '#include "../../src/ops/kernel.h"\n#include <ATen/ATen.h>\n',  # private in public
    "include/prune2to4/orphan.h": "\n",                                                    # no part
    "src/core/hash.cpp": '#include <openssl/evp.h>\n#include "prune2to4/error.h"\n',
    "src/core/log.cpp": '#include <torch/torch.h>\n',                                      # Torch in core
    "src/core/table.cpp": '#include "prune2to4/packed.h"\n',                               # later part, Torch
    "src/core/log_sink.h": "#include <spdlog/spdlog.h>\n",                                 # spdlog in a header
    "src/sparse/mask.cpp": '#include "prune2to4/mask.h"\n#include "../core/log_sink.h"\n', # another part's header
    "src/ops/packed.cpp": '#include "kernel.h"\n#include <spdlog/spdlog.h>\n#include "prune2to4/packed.h"\n',
    "src/ops/kernel.h": "\n",
    "src/model/load.cpp": '#include <CLI/CLI.hpp>\n',                                      # CLI11 outside commands
    "src/dist/ranks.cpp": '#include "cuda/nccl.h"\n',                                      # later part
    "src/cuda/nccl.h": '#include "prune2to4/packed.h"\n',
    "src/eval/f1.cpp": '#include "bench/timer.h"\n',                                       # eval and bench are peers
    "src/bench/timer.h": "\n",
    "src/main.cpp": '#include <CLI/CLI.hpp>\n#include "prune2to4/packed.h"\n',
}
SELF_TEST_FOUND = {
    "include/prune2to4/mask.h:1", "include/prune2to4/packed.h:1", "include/prune2to4/orphan.h:1",
    "src/core/log.cpp:1", "src/core/table.cpp:1", "src/core/log_sink.h:1", "src/sparse/mask.cpp:2",
    "src/ops/packed.cpp:2", "src/model/load.cpp:1", "src/dist/ranks.cpp:1", "src/eval/f1.cpp:1",
}


def self_test() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in SELF_TEST_FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        violations = check(root)
    found = {":".join(violation.split(":")[:2]) for violation in violations}
    for place in sorted(found ^ SELF_TEST_FOUND):
        print(f"self-test: {place}: {'missed' if place in SELF_TEST_FOUND else 'reported, though it is right'}")
    if found != SELF_TEST_FOUND:
        return 1
    print(f"self-test: all {len(found)} planted violations found, nothing else reported")
    return 0


def list_torch_free(root: pathlib.Path, folders: list[str]) -> None:
    sources = read_sources(root)
    torch = torch_users(sources)
    for path in sources:
        if path.suffix == ".cpp" and path not in torch and any(path.is_relative_to(f) for f in folders):
            print(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--list-torch-free", nargs="+", metavar="DIR", help="relative to the root")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.list_torch_free:
        list_torch_free(options.root, options.list_torch_free)
        return 0
    violations = check(options.root)
    print("\n".join(violations) if violations else "includes: in order")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
