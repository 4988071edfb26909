"""Cells and releases that tests of the matrix share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.matrix import Applies, Cell, Status
from harness.observation import Fault
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import bug

STRAY = bug("pr101_stray_store")
FAULT = Fault(kind="oob-write", buffer="table", kernel="fill_kernel", numel=3, first=3, last=11, count=9)


def cell(release: str, status: Status, **facts: Any) -> Cell:
    return Cell(**{"reproducer": STRAY.id, "bug": STRAY.bug, **facts}, release=release, status=status)


def affected(release: str, fault: Fault = FAULT) -> Cell:
    return cell(release, Status.AFFECTED, published=(fault,))


def fixed(release: str, fault: Fault = FAULT) -> Cell:
    return cell(release, Status.FIXED, revert=Applies.APPLIES, reverted=(fault,))


def toy(changes: Mapping[str, str]) -> dict[str, str]:
    """The toy upstream's files with pieces of pages.py replaced."""
    pages = upstream.PAGES
    for old, new in changes.items():
        assert pages.count(old) == 1
        pages = pages.replace(old, new)
    return {"sglang/__init__.py": "", "sglang/pages.py": pages}


RELEASES = {
    "9.9.6": toy({"def build_table(": "def make_table("}),
    "9.9.7": toy({"numel = pages * page_size": "numel = pages"}),
    "9.9.8": toy({}),
    "9.9.9": toy({"numel = pages * page_size": "numel = max(tokens, pages * page_size)"}),
}
