"""How a release is written, and in which order releases are."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)+(?:\.post\d+|rc\d+)?)")

Order = tuple[tuple[int, ...], int, int]


def parse(text: str) -> str | None:
    """The release that a text names, without a leading v; None if it names none."""
    found = _RELEASE.fullmatch(text.strip())
    return found[1] if found else None


def order(release: str) -> Order:
    """A sort key: 0.5.9 < 0.5.10rc1 < 0.5.10 < 0.5.10.post1 < 0.5.11."""
    numbers, _, phase = release.replace("rc", " -1 ").replace(".post", " 1 ").partition(" ")
    which, _, number = (phase or "0 0").partition(" ")
    return tuple(map(int, numbers.split("."))), int(which), int(number)
