"""A unified diff of the package, and the text that a file had before it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, PatchedFile, PatchSet

from harness import foreign
from harness.errors import BadInput
from harness.foreign import cause, shown

LARGEST = 4 << 20
"""Bytes of a patch: what changes more is no fix of one bug."""


@dataclass(frozen=True)
class Block:
    """One hunk: its lines before and after the patch, with their ends, and where it says they begin."""

    line: int
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """One file of a patch; `path` is relative to the package's folder. `added` is a file that is new."""

    path: str
    blocks: tuple[Block, ...]
    added: bool = False


def read(file: Path, package: str) -> tuple[Change, ...]:
    """The files that a patch changes. BadInput if it is no unified diff, or leaves the package."""
    try:
        found = PatchSet(foreign.text(file, largest=LARGEST))
    except BadInput as error:
        raise BadInput(f"{error}: give --patch a unified diff") from error
    except (UnidiffParseError, ValueError) as error:
        problem = f"{shown(file)}: is no unified diff ({cause(error)})"
        raise BadInput(f"{problem}: make it with `git diff`") from error
    if not found:
        raise BadInput(f"{shown(file)}: holds no change of a file: make it with `git diff`")
    return tuple(_change(one, package, file) for one in found)


def undone(change: Change, text: str, package: str) -> str:
    """What `text`, a file with the patch, was without it.

    Hunks may have moved, as between releases. BadInput if one is not there.
    """
    lines, moved = list(io.StringIO(text)), 0  # at line feeds alone, as diffs count
    for number, block in enumerate(change.blocks, 1):
        expected = block.line - 1 + moved
        at = _nearest(lines, block.after, expected)
        if at is None:
            raise _not_there(change, number, block, lines, package)
        lines[at : at + len(block.after)] = block.before
        # Later hunks count in lines of the patched file.
        moved = at - (block.line - 1) + len(block.before) - len(block.after)
    return "".join(lines)


def _nearest(lines: Sequence[str], wanted: Sequence[str], expected: int) -> int | None:
    """Where these lines stand, nearest to where they should; None if they do not."""
    places = (
        at for at in range(len(lines) - len(wanted) + 1) if tuple(lines[at : at + len(wanted)]) == wanted
    )
    return min(places, key=lambda at: abs(at - expected), default=None)


def _not_there(change: Change, number: int, block: Block, lines: Sequence[str], package: str) -> BadInput:
    where = f"hunk {number} of {package}/{shown(change.path)}"
    if _nearest(lines, block.before, block.line) is not None:
        return BadInput(f"{where} is not applied in this tree: give --sglang a tree that has the fix")
    return BadInput(f"{where} is not in this tree: give --sglang the release in which the fix came out")


def _change(one: PatchedFile, package: str, file: Path) -> Change:
    path, where = _inside(one.path, package, file), f"{shown(file)}: {shown(one.path)}"
    if one.is_rename or one.is_removed_file:
        what = "renamed" if one.is_rename else "removed"
        raise BadInput(f"{where} is {what}: edits cannot undo that, write the revert by hand")
    if not len(one):
        raise BadInput(f"{where} has no hunk: edits undo changes of text only, leave it out")
    return Change(path, tuple(map(_block, one)), bool(one.is_added_file))


def _inside(path: str, package: str, file: Path) -> str:
    """The path inside the package, as a wheel or as upstream's repository spells it."""
    parts = PurePosixPath(path).parts
    for home in ((package,), ("python", package)):
        if parts[: len(home)] == home and len(parts) > len(home) and ".." not in parts:
            return str(PurePosixPath(*parts[len(home) :]))
    remedy = f"leave out what lies outside {package}/"
    raise BadInput(f"{shown(file)}: {shown(path)} is no file of the package: {remedy}")


def _block(hunk: Hunk) -> Block:
    return Block(hunk.target_start, tuple(_lines(hunk, "-")), tuple(_lines(hunk, "+")))


def _lines(hunk: Hunk, kind: str) -> Iterator[str]:
    """The lines of one side; a marker for a missing end of line takes that end away."""
    kept: list[str] = []
    last = ""
    for line in hunk:
        if line.line_type == "\\" and kept and last in (" ", kind):
            kept[-1] = kept[-1].removesuffix("\n")
        elif line.line_type in (" ", kind):
            kept.append(line.value)
        last = line.line_type
    yield from kept
