"""Which Python files of a folder hold some bytes, for who asks once and needs nothing else of them.

Files are neither listed with what the system says of each nor kept: a package has thousands, and two or three
hold a name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from harness.foreign import LARGEST_SOURCE
from harness.source.listing import DEEPEST_FOLDER


def holding(folder: str, wanted: bytes) -> list[str] | None:
    """Paths below the folder of the `.py` files that hold these bytes, in no order that means anything.

    None where that cannot be told: a file or a folder that cannot be read, one that lies too deep, a file
    that is too large for a source. Then it is for `listing.scan` to say what they are.
    """
    room = bytearray(LARGEST_SOURCE + 1)
    try:
        return [
            path for path in _sources(folder) if room.find(wanted, 0, _taken(f"{folder}/{path}", room)) >= 0
        ]
    except (OSError, _CannotTellError):
        return None


class _CannotTellError(Exception):
    """Something is too deep, or too large."""


def _sources(folder: str) -> Iterator[str]:
    """As `listing.scan` finds them: links are followed, but for those to a folder that they are in."""
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while waiting:
        prefix, above = waiting.pop()
        about = os.stat(f"{folder}/{prefix}")
        if (here := (about.st_dev, about.st_ino)) in above:
            continue
        if len(above) > DEEPEST_FOLDER:
            raise _CannotTellError
        with os.scandir(f"{folder}/{prefix}") as found:
            for entry in found:
                if entry.is_dir():
                    waiting.append((f"{prefix}{entry.name}/", above | {here}))
                elif entry.name.endswith(".py") and entry.is_file():
                    yield prefix + entry.name


def _taken(path: str, room: bytearray) -> int:
    """How many bytes the file has, which are then the first of `room`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        with memoryview(room) as whole:
            length = 0
            while more := os.readv(descriptor, [whole[length:]]):
                length += more
    finally:
        os.close(descriptor)
    if length == len(room):
        raise _CannotTellError
    return length
