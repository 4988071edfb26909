"""The bytes of a tree's files, and one hash over all of them, each worked out once in a process.

A reverted tree is links to nearly all files of its original. What changes whenever somebody writes a file
(`Listing.stamps`) tells that two paths lead to the same bytes, so that they are neither read nor hashed
again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

from harness import foreign
from harness.source.listing import LARGEST_TREE, Listing, Stamp, stamp

MOST_KEPT = 256 << 20
"""Bytes that are kept; what goes beyond them is read each time. Upstream's sources have 65 MiB."""
LARGEST_KEPT = 4 << 20
"""Bytes of one file that is kept: none of upstream's sources has a tenth of that."""
_CHAINS_KEPT = 8
_HASHES_KEPT = 32
_Entry = tuple[str, Stamp | str]
"""A path, and the stamp of its file or why there is none."""


class Contents:
    """What files held when they had the stamps that a listing tells."""

    def __init__(self) -> None:
        self._kept: dict[Stamp, bytes] = {}
        self._room = MOST_KEPT

    def of(self, path: str, stamped: Stamp) -> bytes:
        """The bytes of a file that was listed with this stamp. BadInput where it cannot be read."""
        if (kept := self._kept.get(stamped)) is not None:
            return kept
        data = foreign.read(path, largest=LARGEST_TREE)
        # Kept only as what is still there, now that it was read: it may have changed since it was listed.
        if len(data) <= min(self._room, LARGEST_KEPT) and _stamped(path) == stamped:
            self._kept[stamped] = data
            self._room -= len(data)
        return data


@cache
def contents() -> Contents:
    """Those of this process."""
    return Contents()


def _stamped(path: str) -> Stamp | None:
    try:
        return stamp(os.stat(path))
    except OSError:  # it went while it was read
        return None


@dataclass(frozen=True)
class _Chain:
    """The files of a tree in the order in which they are hashed, and the state of the hash behind each."""

    entries: tuple[_Entry, ...]
    states: tuple[hashlib._Hash, ...]

    def shared(self, entries: tuple[_Entry, ...]) -> int:
        """How many files of another tree come first in both."""
        pairs = zip(self.entries, entries, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class Hashes:
    """The hashes of trees. One that begins like a tree before it is hashed from where it departs."""

    def __init__(self) -> None:
        self._chains: list[_Chain] = []
        self._known: dict[tuple[_Entry, ...], str] = {}

    def of(self, folder: str, listing: Listing) -> str:
        """sha256 over paths and bytes of the listed files. BadInput where one cannot be read."""
        entries = tuple(_entries(listing))
        if entries not in self._known:
            known = [*self._known.items(), (entries, self._hash(folder, entries))]
            self._known = dict(known[-_HASHES_KEPT:])
        return self._known[entries]

    def _hash(self, folder: str, entries: tuple[_Entry, ...]) -> str:
        chain = max(self._chains, key=lambda one: one.shared(entries), default=_Chain((), ()))
        shared = chain.shared(entries)
        digest = chain.states[shared - 1].copy() if shared else hashlib.sha256()
        states = [digest.copy() for path, what in entries[shared:] if _add(digest, folder, path, what)]
        if not shared and entries:
            self._chains = [*self._chains[1 - _CHAINS_KEPT :], _Chain(entries, tuple(states))]
        return digest.hexdigest()


@cache
def hashes() -> Hashes:
    """Those of this process."""
    return Hashes()


def _entries(listing: Listing) -> Iterator[_Entry]:
    told: Mapping[str, Stamp | str] = {**listing.stamps, **listing.broken}
    return ((path, told[path]) for path in sorted(told))


def _add(digest: hashlib._Hash, folder: str, path: str, what: Stamp | str) -> bool:
    """Take one entry into the hash; always true."""
    if isinstance(what, str):
        digest.update(f"{path}\0-\0{what}\0".encode(errors="surrogateescape"))
        return True
    data = contents().of(os.path.join(folder, path), what)
    digest.update(f"{path}\0{len(data)}\0".encode(errors="surrogateescape"))
    digest.update(data)
    return True
