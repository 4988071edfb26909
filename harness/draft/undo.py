"""The files of a tree as they were before a patch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.draft.left import Left
from harness.draft.patch import NOWHERE, Block, Change, Patch, parts_below
from harness.errors import BadInput
from harness.foreign import shown
from harness.source.tree import Tree


@dataclass(frozen=True)
class Undone:
    """Modules of the tree by their path in the package: as they are, and as they were; None if they were not.

    `left` is what the patch changed beside that.
    """

    after: dict[str, str]
    before: dict[str, str | None]
    left: tuple[Left, ...]


class NotApplied(BadInput):
    """A tree has not got what a patch made of a file; `path` is relative to the package."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


def undo(tree: Tree, patch: Patch) -> Undone:
    """Take the changes back, the last first: of several commits each is undone in what the later ones left.

    NotApplied if the tree does not have the patch; BadInput if it changes no module of the package.
    """
    files = frozenset(tree.files())
    code = [change for change in patch.changes if _is_code(change, files, tree.package)]
    left = tuple(_told(one, files, tree.package) for one in patch.changes if one not in code)
    if not code:
        names = ", ".join(dict.fromkeys(shown(change.name) for change in patch.changes))
        raise BadInput(f"the patch changes no module of {tree.package} ({names}): give the patch of the fix")
    try:
        return _in_order(_undone(tree, list(reversed(code)), files, left))
    except NotApplied as error:
        try:  # it may have been written with the latest commit first
            return _undone(tree, code, files, left)
        except NotApplied:
            raise error from None


def _in_order(undone: Undone) -> Undone:
    """With the files in the order of the patch, where they were undone from its end."""
    after = dict(reversed(undone.after.items()))
    return Undone(after, {path: undone.before[path] for path in after}, undone.left)


@dataclass
class _Texts:
    """Texts by the names that their files have at the moment, and where in the tree they come from."""

    tree: Tree
    files: frozenset[str]
    now: dict[str, str | None] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> str:
        if path not in self.now:
            text = _text(self.tree, path)
            self.now[path], self.origin[path], self.after[path] = text, path, text
        return self.now[path] or ""

    def move(self, new: str, old: str) -> None:
        if new != old:
            self.now[old], self.origin[old] = self.now.pop(new), self.origin.pop(new)


def _undone(tree: Tree, code: Sequence[Change], files: frozenset[str], left: tuple[Left, ...]) -> Undone:
    texts, told = _Texts(tree, files), list(left)
    for change in code:
        told += _undo(change, texts)
    before = {texts.origin[name]: text for name, text in texts.now.items()}
    return Undone(texts.after, before, tuple(dict.fromkeys(told)))


def _undo(change: Change, texts: _Texts) -> list[Left]:
    package = texts.tree.package
    new = _inside(change.new, texts.files | set(texts.now), package)
    old = _inside(change.old, texts.files | set(texts.now), package) or _likeliest(change.old, package)
    if change.new == NOWHERE:
        return [Left(f"the fix removed {package}/{shown(old)}: it does not come back")]
    assert new is not None  # `_is_code` saw to that
    text = without(change, texts.get(new), f"{package}/{new}")
    if change.old == NOWHERE:
        texts.now[new] = None
        return [Left(f"{package}/{new} came with the fix: it stays", todo=False)]
    texts.now[new] = text
    texts.move(new, old)
    told = [Left(f"{package}/{new}: {change.note}: that stays", todo=False)] if change.note else []
    moved = f"the fix moved {package}/{shown(old)} to {new}: it stays there"
    return [*told, Left(moved, todo=False)] if new != old else told


def without(change: Change, text: str, name: str) -> str:
    """What `text`, a file with the patch, was without it; lines end with a line feed alone.

    Hunks may have moved, as between releases. NotApplied if one is not there.
    """
    lines, moved = list(io.StringIO(_plain(text))), 0  # at line feeds alone, as diffs count
    for number, block in enumerate(change.blocks, 1):
        before, after = ([_plain(one) for one in side] for side in (block.before, block.after))
        at = _nearest(lines, after, block.line - 1 + moved)
        if at is None:
            raise _not_there(name, number, block, lines)
        lines[at : at + len(after)] = before
        # Later hunks count in lines of the patched file.
        moved = at - (block.line - 1) + len(before) - len(after)
    return "".join(lines)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _nearest(lines: Sequence[str], wanted: Sequence[str], expected: int) -> int | None:
    """Where these lines stand, nearest to where they should; None if they do not."""
    wanted = list(wanted)
    places = (at for at in range(len(lines) - len(wanted) + 1) if lines[at : at + len(wanted)] == wanted)
    return min(places, key=lambda at: abs(at - expected), default=None)


def _not_there(name: str, number: int, block: Block, lines: Sequence[str]) -> NotApplied:
    where = f"hunk {number} of {shown(name)}"
    path = name.partition("/")[2]
    if _nearest(lines, [_plain(one) for one in block.before], block.line) is not None:
        return NotApplied(f"{where} is not applied in this tree: give --sglang a tree that has the fix", path)
    told = f"{where} is not in this tree: give --sglang the release in which the fix came out"
    return NotApplied(told, path)


def _text(tree: Tree, path: str) -> str:
    try:
        return tree.read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{tree.package}/{path} is no UTF-8: write the revert by hand") from error


# --- what belongs to the package -----------------------------------------------------------


def _is_code(change: Change, files: frozenset[str], package: str) -> bool:
    """Whether a change is of a module of the package. NotApplied if the tree has not got it."""
    if not change.name.endswith(".py") or not (change.blocks or change.old != change.new):
        return False
    if _inside(change.name, files, package) is not None:
        return True
    path = _likeliest(change.name, package)
    if not _is_of_package(change.name, package) or change.new == NOWHERE:
        return change.new == NOWHERE and _is_of_package(change.name, package)
    told = f"{package}/{shown(path)} is not in this tree: give --sglang a tree that has the fix"
    raise NotApplied(told, path)


def _inside(name: str, files: frozenset[str] | set[str], package: str) -> str | None:
    """The path in the package that a name means in a tree with these files; None if it means none."""
    found = next((path for path in parts_below(name, package) if path in files), None)
    # A name from the root of a clone may be that of a file in the package by chance.
    return found if found and (_is_of_package(name, package) or "/" in found) else None


def _is_of_package(name: str, package: str) -> bool:
    parts = name.split("/")
    return f"/python/{package}/" in f"/{name}" or package in parts[:-1]


def _likeliest(name: str, package: str) -> str:
    return next(parts_below(name, package))


def _told(change: Change, files: frozenset[str], package: str) -> Left:
    path = _inside(change.name, files, package)
    if path is None and not f"/{change.name}".count(f"/python/{package}/"):
        return Left(f"{shown(change.name)} is no code of the package: left out", todo=False)
    if path and path.endswith(".py"):
        return Left(f"{package}/{path}: {change.note or 'nothing in it was changed'}: that stays", todo=False)
    called = f"{package}/{shown(path or _likeliest(change.name, package))}"
    harmless = called.endswith((".md", ".rst", ".txt", ".ipynb"))
    return Left(f"{called} is no Python: it stays as the fix made it", todo=not harmless)
