# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterable


def descriptor_of(path: str | os.PathLike) -> int | None:
    """N where the path is /dev/fd/N, /proc/self/fd/N, or a link to one, as /dev/stdout is."""
    path = os.fspath(path)
    descriptors = os.path.realpath("/proc/self/fd")
    for _ in range(40):  # links, as the kernel has it
        folder, name = os.path.split(os.path.join(os.curdir, path))
        if os.path.realpath(folder) == descriptors:
            return int(name) if name.isdigit() else None
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))
    return None


def write_atomically(path: str | os.PathLike, parts: Iterable) -> int:
    """Writes bytes-like parts to a temporary beside `path` and renames it; gives the number of bytes. On any error
    the temporary is removed and `path` is as it was. A symbolic link stays, and what it leads to is replaced. A device,
    pipe or descriptor ("/dev/stdout") has nothing to keep whole, and is written straight.
    """
    path = pathlib.Path(path)
    descriptor = descriptor_of(path)
    if descriptor is not None or (path.exists() and not path.is_file()):
        with open(path if descriptor is None else os.dup(descriptor), "wb") as file:
            return sum(file.write(part) for part in parts)
    path = pathlib.Path(os.path.realpath(path))
    # The start of the name says whose it is; all of it might leave no room for the rest.
    prefix = "." + os.fsdecode(os.fsencode(path.name)[:100]) + "."
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size
