"""One file of what was worked out before."""

from __future__ import annotations

import hashlib
import logging
import marshal
import os
import sys
from pathlib import Path

from harness import foreign
from harness.errors import BadInput

LARGEST = 64 * foreign.MIB
"""Bytes of the file: what upstream's dependencies take has some 5 MiB."""
MOST = 20_000
"""Results that are kept; with more, or more bytes, those that this process has not asked for go."""
_DIGEST = 32
_log = logging.getLogger(__name__)


class Kept:
    """Results by what they were worked out from, both as bytes.

    A file that cannot be read or written does no harm, and is logged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = _read(path) if os.path.lexists(path) else {}
        self._asked: dict[bytes, bytes] = {}
        self._new: dict[bytes, bytes] = {}

    def get(self, of: bytes) -> bytes | None:
        """What was worked out from `of`; None where it was not."""
        found = self._asked.get(of) or self._before.get(of)
        if found is not None:
            self._asked[of] = found
        return found

    def put(self, of: bytes, result: bytes) -> None:
        """Keep a result that `get` had not."""
        self._asked[of] = self._new[of] = result

    @property
    def news(self) -> tuple[bytes, ...]:
        """What results were worked out from that `get` had not."""
        return tuple(self._new)

    def save(self) -> None:
        """Write it, where something is new. The file is there whole, or as it was."""
        if not self._new:
            return
        every = {**self._before, **self._asked}
        self._new = {}
        try:
            _write(self._path, every if _fits(every) else self._asked)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path, error)


def _fits(results: dict[bytes, bytes]) -> bool:
    """Whether a file of these is one that is read again; marshal adds at most five bytes to each."""
    size = sum(len(of) + len(result) + 10 for of, result in results.items()) + _DIGEST + 10
    return len(results) <= MOST and size <= LARGEST


def _read(path: Path) -> dict[bytes, bytes]:
    """What the file holds; nothing where it is not what this Python wrote."""
    try:
        data = foreign.read(path, largest=LARGEST)
    except BadInput as error:
        _log.warning("%s", error)
        return {}
    told, body = data[:_DIGEST], data[_DIGEST:]
    if told != _digest(body):  # of another Python, or half of one
        return {}
    found = marshal.loads(body)
    assert isinstance(found, dict)  # the digest is of what `_write` wrote
    return found


def _write(path: Path, results: dict[bytes, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = marshal.dumps(results)
    half = path.with_name(f"{path.name}.{os.getpid()}.half")
    try:
        half.write_bytes(_digest(body) + body)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(sys.version.encode() + body).digest()
