"""The one place where bytes that nobody vouched for become values that others may take.

A name is foreign until it was opened here: what stands behind it may be a FIFO, a device, a folder, larger
than memory, nested beyond the interpreter's stack, or full of characters that a terminal obeys.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import tomllib
from collections import Counter
from typing import Any

from harness.errors import BadInput

MIB = 1 << 20
LARGEST_SOURCE = 16 * MIB
"""Upstream's largest module has 1 MiB."""
LARGEST_DOCUMENT = 512 * MIB
"""The results of a whole night have some 20 MiB."""
LARGEST_TABLE = 1 * MIB
"""A policy has some 4 KiB."""
DEEPEST = 100
"""Levels of arrays and objects in a document; Refault's own have some ten."""

_STEP = 1 << 16


def read(path: str | os.PathLike[str], *, largest: int = LARGEST_DOCUMENT) -> bytes:
    """The bytes of a regular file of at most `largest` bytes; links to one are followed.

    Raises BadInput, naming the path, for whatever else it is. Never waits: a FIFO is opened without a writer.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            return _bytes(descriptor, path, largest)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise BadInput(f"{shown(path)}: cannot be read ({cause(error)})") from error


def _bytes(descriptor: int, path: str | os.PathLike[str], largest: int) -> bytes:
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        raise BadInput(f"{shown(path)}: is {kind(about.st_mode)}: give a regular file")
    data = _at_most(descriptor, largest + 1, about.st_size) if about.st_size <= largest else b""
    if max(len(data), about.st_size) > largest:
        raise BadInput(f"{shown(path)}: has more than {largest} bytes, which is the most that is read here")
    return data


def _at_most(descriptor: int, most: int, expected: int) -> bytes:
    """Up to so many bytes. What is expected comes in one piece, which is not copied; files of the system's tell
    no size, and others may have grown."""
    pieces: list[bytes] = []
    size = min(most, expected + 1 if expected else _STEP)
    while piece := os.read(descriptor, size):
        pieces.append(piece)
        most -= len(piece)
        size = min(most, _STEP)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def text(path: str | os.PathLike[str], *, largest: int = LARGEST_DOCUMENT) -> str:
    """The text of a regular file in UTF-8. Raises BadInput as `read` does, and for other encodings."""
    return _decoded(read(path, largest=largest), path)


def _decoded(data: bytes, path: str | os.PathLike[str]) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown(path)}: is no UTF-8 (byte {error.start})") from error


def document(path: str | os.PathLike[str], *, largest: int = LARGEST_DOCUMENT) -> Any:
    """The JSON in a file. Raises BadInput as `text` does, and for what `parsed` refuses."""
    try:
        return parsed(text(path, largest=largest))
    except ValueError as error:
        raise BadInput(f"{shown(path)}: is no JSON ({error})") from error


def parsed(told: str | bytes, *, finite: bool = True) -> Any:
    """The JSON in a text, at most DEEPEST levels deep, without NaN, infinities and names given twice.

    Without `finite` NaN and infinities stay what they are. Raises ValueError, in one line, for anything else.
    """
    numbers: dict[str, Any] = {"parse_constant": _no_number, "parse_float": _finite} if finite else {}
    try:
        value = json.loads(told, object_pairs_hook=_once, **numbers)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST} levels") from None
    _hold_depth(value)
    return value


def table(path: str | os.PathLike[str], *, largest: int = LARGEST_TABLE) -> dict[str, Any]:
    """The TOML in a file. Raises BadInput as `text` does, and where it is no TOML."""
    return table_in(read(path, largest=largest), path)


def table_in(data: bytes, path: str | os.PathLike[str]) -> dict[str, Any]:
    """The TOML in what `read` gave for a path. Raises BadInput, naming it, for other bytes."""
    told = _decoded(data, path)
    try:
        return tomllib.loads(told)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise BadInput(f"{shown(path)}: is no TOML ({' '.join(str(error).split())})") from error


def shown(foreign: object, longest: int = 400) -> str:
    """Foreign text in one line that a terminal, Markdown and HTML show and none obeys.

    Line breaks, controls, marks of direction and lone surrogates are escaped as Python does; the middle of
    what is longer than `longest` characters is left out.
    """
    told = os.fsdecode(foreign) if isinstance(foreign, bytes | os.PathLike) else str(foreign)
    if len(told) > longest:
        told = f"{told[: longest // 2]}...{told[-longest // 2 :]}"
    return visible(told)


def visible(text: str, keep: str = "") -> str:
    """All of a text, with what a terminal or a page may obey escaped; the letters in `keep` stay."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _escaped(one) for one in text)


def cause(error: BaseException) -> str:
    """Why the system refused, without the path that it names."""
    told = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return shown(" ".join(told.split()))


def is_gone(error: OSError) -> bool:
    """Whether a name leads nowhere: it is missing, dangles, or its links go round in a circle."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name given twice readers take one or the other: two of them would judge two documents."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{shown(twice)!r} is given twice")
    return found


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{shown(digits, 40)} is beyond what a float holds")
    return number


def _hold_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEEPEST} levels")


def _inside(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]


def kind(mode: int) -> str:
    """What stands behind a name that is no regular file, with its article."""
    kinds = {
        stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    }  # fmt: skip
    return kinds.get(stat.S_IFMT(mode), "no regular file")
