"""Two versions of a toy package, with fixes, a rename everywhere, a rewrite and a feature in them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from harness.mine.changes import Changed, Versions, changed
from harness.mine.places import Piece, pieces
from harness.source.tree import Tree, at

KERNEL = '''\
def gather_kernel(table, out, rows, STRIDE):
    """Copy rows."""
    pid = tl.program_id(0)
    row = {row}
    value = tl.load(table + row * STRIDE, mask=pid < rows)
    tl.store(out + pid, value)
'''
POOL = """\
from sglang.srt.flags import {flags}


class Pool:
    def __init__(self, size, page_size):
        self.page_size = page_size
        self.slots = {zeros}(size)

    def pages(self, tokens):
        return {pages}

    def free(self, slots):
        for slot in slots:
            self.drop(slot)
        return {flags}.on

    def drop(self, slot):
        self.slots[slot] = 0
        return {flags}.on

    def used(self):
        return {flags}.on
"""


def tree(root: Path, *, fixed: bool) -> Tree:
    """The package with or without its fixes."""
    folder = root / "sglang"
    for place in ("srt/mem_cache", "kernels", "test"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text("")
    (folder / "version.py").write_text(f'__version__ = "9.9.{8 if fixed else 7}"\n')
    row = "tl.load(table + pid).to(tl.int64)" if fixed else "tl.load(table + pid)"
    (folder / "kernels/gather.py").write_text(KERNEL.format(row=row))
    pages = "-(-tokens // self.page_size)" if fixed else "tokens // self.page_size"
    words = dict(flags="get_flags()" if fixed else "flags", zeros="zeros", pages=pages)
    (folder / "srt/mem_cache/pool.py").write_text(
        POOL.format(**words).replace("import get_flags()", "import get_flags")
    )
    (folder / "test/test_pool.py").write_text(f"def test():\n    assert {int(fixed)} >= 0\n")
    return at(root)


def between(before: str, after: str) -> list[Changed]:
    """What changed between two versions of a module."""
    old, new = (textwrap.dedent(one).encode() for one in (before, after))
    return list(changed([Versions("srt/one.py", old, new)]))


def cut(before: str, after: str) -> list[Piece]:
    """The pieces of two versions of a function's body."""
    sources = (
        f"def f(a, b, n):\n{textwrap.indent(textwrap.dedent(one), '    ')}\n" for one in (before, after)
    )
    (change,) = between(*sources)
    return pieces(change.before, change.after)
