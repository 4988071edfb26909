"""Wheels packed into parts of a given size, each a folder that can travel alone."""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ci.kit import install

_MIB = 1 << 20
_TOLD = 16 * _MIB
"""Bytes that are packed between two words of progress, at most; some ten seconds."""
_DICTIONARY = 16 << 20


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One file of a part: a whole packed wheel, or one of several pieces of one, in their order."""

    file: str
    part: int
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A wheel on its way: its name and digest once unpacked, and the slices that it travels in."""

    wheel: str
    size: int
    sha256: str
    slices: tuple[Slice, ...]


@dataclass(frozen=True, kw_only=True)
class Kit:
    """What was built. `parts` has each part's size in bytes."""

    folder: Path
    parcels: tuple[Parcel, ...]
    parts: tuple[int, ...]


def pack(
    groups: Sequence[Sequence[Path]],
    to: Path,
    part_size: int,
    about: dict[str, Any],
    progress: Callable[[str], None] = lambda what: None,
) -> Kit:
    """Pack wheels into parts of at most `part_size` bytes below `to`; each group begins a part of its own
    unless it fits whole into what the one before left free."""
    scratch = to / "packed"
    scratch.mkdir(parents=True)
    packing = _Packing(scratch, sum(wheel.stat().st_size for group in groups for wheel in group), progress)
    with ThreadPoolExecutor(2) as pool:
        packed = [list(pool.map(packing.packed, group)) for group in groups]
    layout = _layout([[file.stat().st_size for file in group] for group in packed], part_size)
    parcels = tuple(
        _parcel(wheel, file, places, to)
        for wheels, files, group in zip(groups, packed, layout, strict=True)
        for wheel, file, places in zip(wheels, files, group, strict=True)
    )
    shutil.rmtree(scratch)
    return _finished(to, parcels, about)


class _Packing:
    """Packs wheels into the folder `to`, on several threads, and tells how far it is by their plain bytes."""

    def __init__(self, to: Path, whole: int, progress: Callable[[str], None]) -> None:
        self._to, self._whole, self._progress = to, whole, progress
        self._done = 0
        self._lock = threading.Lock()

    def packed(self, wheel: Path) -> Path:
        target = self._to / f"{wheel.name}.xz"
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": _DICTIONARY}]
        with wheel.open("rb") as plain, lzma.open(target, "wb", filters=filters) as out:
            while chunk := plain.read(_TOLD):
                out.write(chunk)
                self._tell(len(chunk), wheel.name)
        return target

    def _tell(self, size: int, name: str) -> None:
        with self._lock:
            self._done += size
            done, whole = self._done / _MIB, self._whole / _MIB
            self._progress(f"packing: {done:.0f} of {whole:.0f} MiB, {name}")


Place = tuple[int, int]
"""The number of a part, from 1, and how many bytes of a file go there."""


def _layout(groups: Sequence[Sequence[int]], part_size: int) -> list[list[list[Place]]]:
    """Where each file goes, whole wherever one part can hold it: the largest first, each group together."""
    free: list[int] = []
    result = []
    for group in groups:
        last = len(free)
        usable = range(last - 1, last) if last and sum(group) <= free[-1] else range(last, last)
        result.append(_group(group, free, part_size, usable.start))
    return result


def _group(sizes: Sequence[int], free: list[int], part_size: int, first: int) -> list[list[Place]]:
    places: list[list[Place]] = [[] for _ in sizes]
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        places[index] = list(_places(sizes[index], free, part_size, first))
    return places


def _places(size: int, free: list[int], part_size: int, first: int) -> Iterable[Place]:
    fitting = [number for number in range(first, len(free)) if free[number] >= size]
    if fitting:
        free[fitting[0]] -= size
        yield fitting[0] + 1, size
        return
    while size > 0:
        free.append(part_size)
        taken = min(size, part_size)
        free[-1] -= taken
        size -= taken
        yield len(free), taken


def _parcel(wheel: Path, packed: Path, places: Sequence[Place], to: Path) -> Parcel:
    slices = []
    with packed.open("rb") as source:
        for number, (part, size) in enumerate(places):
            name = packed.name if len(places) == 1 else f"{packed.name}.{number:03}"
            folder = to / f"part-{part}"
            folder.mkdir(exist_ok=True)
            data = source.read(size)
            (folder / name).write_bytes(data)
            slices.append(Slice(file=name, part=part, size=size, sha256=hashlib.sha256(data).hexdigest()))
    with wheel.open("rb") as plain:
        digest = hashlib.file_digest(plain, "sha256").hexdigest()
    return Parcel(wheel=wheel.name, size=wheel.stat().st_size, sha256=digest, slices=tuple(slices))


def _finished(to: Path, parcels: tuple[Parcel, ...], about: dict[str, Any]) -> Kit:
    """Give every part the list of the whole kit and the script that installs it."""
    text = json.dumps({**about, "parcels": [asdict(parcel) for parcel in parcels]}, indent=1) + "\n"
    folders = sorted(to.glob("part-*"), key=lambda folder: int(folder.name.partition("-")[2]))
    for folder in folders:
        (folder / install.MANIFEST).write_text(text, encoding="utf-8")
        shutil.copy(install.__file__, folder / "install.py")
    sizes = tuple(sum(file.stat().st_size for file in folder.iterdir()) for folder in folders)
    return Kit(folder=to, parcels=parcels, parts=sizes)
