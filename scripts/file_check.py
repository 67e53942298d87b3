# SPDX-License-Identifier: Apache-2.0
"""Whether a script's outputs would overwrite what it reads, or one another."""

import os
import stat
from collections.abc import Iterable

from atomic_file import descriptor_of

Path = str | os.PathLike
Named = tuple[str, Path]  # what the user calls it, as in the usage line, and the path


class UsageError(Exception):
    """What the user asked for cannot be done, whatever the files hold."""


def check_files(inputs: Iterable[Named], outputs: Iterable[Named]) -> None:
    """Throws UsageError where an output is an input or another output: the same device and inode, or, where it is not
    there yet, the same name in the same folder. Devices and pipes are no files.
    """
    seen = [(*named, place(named[1]), False) for named in inputs]
    for name, path in outputs:
        if os.fspath(path) == "-":
            raise UsageError(f"{name} cannot be stdout; name a file")
        here = place(path)
        for other_name, other_path, other, is_output in seen:
            if here is None or here != other:
                continue
            if is_output and descriptor_of(path) is not None and descriptor_of(other_path) is not None:
                continue  # one behind the other
            if is_output:
                raise UsageError(f"{other_name} {other_path} and {name} {path} are one file; name two")
            raise UsageError(f"{name} {path} is the file of {other_name} {other_path}, which would be overwritten; name "
                            f"another file for {name}")
        seen.append((name, path, here, True))


def place(path: Path) -> tuple | None:
    """What is the same for two paths of one file; None for what is no file."""
    try:
        status = os.stat(path)
        return (status.st_dev, status.st_ino) if stat.S_ISREG(status.st_mode) else None
    except OSError:
        folder, name = os.path.split(os.path.realpath(path))
    try:
        status = os.stat(folder)
        return status.st_dev, status.st_ino, name
    except OSError:
        return folder, name


def files_of(name: str, folder: Path, besides: str = "") -> list[Named]:
    """The files in a folder that is read, save those with the suffix `besides`."""
    try:
        with os.scandir(folder) as entries:
            return [(name, entry.path) for entry in entries
                    if entry.is_file() and not (besides and entry.name.endswith(besides))]
    except OSError:
        return []  # reading it says why
