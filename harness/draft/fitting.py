"""Which releases at hand a derived revert fits, since when, and what became of the fix afterwards."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from harness.draft.module import Definition, any_head, short
from harness.draft.places import Release, Texts, functions_with, spells
from harness.facts import Edit
from harness.source.releases import Releases, order, parse
from harness.source.symbols import module_name
from harness.source.tree import Tree

_COMMON = 24
"""Files with the same code, an import most often, beyond which none of them tells anything."""


class State(Enum):
    """What a release has of a fix."""

    FITS = "fits"
    """Each edit is found once."""
    BEFORE = "before"
    """All that is edited is there, nothing of the fix, and what was there before it."""
    OTHER = "other"
    """Neither: the code is another, or is gone."""


@dataclass(frozen=True)
class Fitting:
    """What releases say of a revert that was derived in one of them; None where they do not say.

    `fits` are those in a row around that one. `fixed_in` is the first of them, if the one before it has not
    got the fix; `introduced_in` the first of those in a row before the fix that have the code without it, if
    an older one at hand has not. `changed_in` is the first later one that the edits do not fit, and `went`
    says what became of them there. `alone` are the edits that fit more releases without the others, with the
    last of those in a row: a revert of one of them may be enough.
    """

    fits: tuple[str, ...] = ()
    fixed_in: str | None = None
    introduced_in: str | None = None
    changed_in: str | None = None
    went: tuple[str, ...] = ()
    alone: tuple[tuple[Edit, str], ...] = ()

    @property
    def told(self) -> tuple[str, ...]:
        """All of it in sentences."""
        return tuple(_sentences(self))


@dataclass(frozen=True)
class _Home:
    """An edit, and the file that it is in."""

    edit: Edit
    path: str


def fitting(
    releases: Releases, tree: Tree, edits: Sequence[Edit], paths: Sequence[str], asked: Tree | None = None
) -> Fitting | None:
    """Try the edits, each in its file, on all releases that are unpacked, and on the tree that was asked for.

    `tree` is the one that they are derived in. What is not at hand is not fetched. None if there is no other,
    or if the tree does not say its release.
    """
    found, homes = _in_order(releases, tree, asked or tree), tuple(map(_Home, edits, paths))
    if len(found) < 2 or not edits:
        return None
    return _around(found, next(number for number, one in enumerate(found) if one.tree is tree), homes)


def _around(found: Sequence[Release], at: int, homes: Sequence[_Home]) -> Fitting:
    """What the releases before and after the one at a place say."""
    first = at - len(list(_row(found[:at][::-1], homes, State.FITS)))
    last = at + len(list(_row(found[at + 1 :], homes, State.FITS)))
    older = found[:first][::-1]
    before = list(_row(older, homes, State.BEFORE))
    changed = found[last + 1] if last + 1 < len(found) else None
    return Fitting(
        fits=tuple(one.name for one in found[first : last + 1]),
        fixed_in=found[first].name if before else None,
        introduced_in=before[-1].name if before and len(before) < len(older) else None,
        changed_in=changed.name if changed else None,
        went=tuple(_went(found[at], changed, homes)) if changed else (),
        alone=tuple(_alone(found[last + 1 :], homes)) if len(homes) > 1 else (),
    )


def _alone(later: Sequence[Release], homes: Sequence[_Home]) -> Iterator[tuple[Edit, str]]:
    """The edits that exchange something and fit later releases, with the last of them in a row."""
    for home in homes:
        if home.edit.by and (row := list(_row(later, [home], State.FITS))):
            yield home.edit, row[-1].name


def _in_order(releases: Releases, tree: Tree, asked: Tree) -> list[Release]:
    """Both trees in the places of their releases among those at hand, oldest first."""
    own = parse(tree.version or "")
    if own is None:
        return []
    texts = Texts()
    others = {one: releases.entry(one) for one in releases.cached() if parse(one) == one}
    trees = {**others, parse(asked.version or "") or own: asked, own: tree}
    return [Release(trees[one], texts) for one in sorted(trees, key=order)]


def _row(releases: Sequence[Release], homes: Sequence[_Home], state: State) -> Iterator[Release]:
    """The releases up to the first that is in another state."""
    for one in releases:
        if _state(one, homes) is not state:
            return
        yield one


def _state(release: Release, homes: Sequence[_Home]) -> State:
    if all(_is_undone(release, home) for home in homes):
        return State.BEFORE
    return State.FITS if all(_finds(release, home) == 1 for home in homes) else State.OTHER


def _finds(release: Release, home: _Home) -> int:
    return release.count(home.edit, home.path, home.edit.replace)


def _is_undone(release: Release, home: _Home) -> bool:
    """Whether the place is there with all that the edit brings back, and without what it takes away."""
    if not release.parts(home.edit, home.path):
        return False
    pieces = list(map(ast.unparse, _pieces(home.edit.by)))
    stays = ast.unparse(ast.parse(home.edit.replace)) in pieces
    if not stays and _finds(release, home):
        return False
    return all(release.count(home.edit, home.path, piece) for piece in pieces)


def _pieces(text: str) -> Iterator[ast.stmt]:
    """The statements that an edit brings back; of a definition its name alone, and no dots."""
    for one in ast.parse(text).body:
        if not isinstance(one, ast.Expr) or not isinstance(one.value, ast.Constant):
            yield ast.parse(any_head(one)).body[0] if isinstance(one, Definition) else one


# --- what became of it ---------------------------------------------------------------------


def _went(derived: Release, changed: Release, homes: Sequence[_Home]) -> Iterator[str]:
    """Of each edit that does not fit a release, where its function and its code are now."""
    told = (_one(derived, changed, home) for home in homes if _finds(changed, home) != 1)
    yield from dict.fromkeys(told)


def _one(derived: Release, changed: Release, home: _Home) -> str:
    edit, number = home.edit, _finds(changed, home)
    where = edit.in_function or edit.in_class or edit.in_module
    if number:
        return f"{where} has `{short(edit.replace)}` {number} times"
    if changed.parts(edit, home.path):
        path = changed.home(edit, home.path)
        place = "is there" if path == home.path else f"is in {module_name(changed.tree, path)} now"
        return f"{where} {place}, without `{short(edit.replace)}`"
    files = _spelling(changed, edit)
    if len(files) > _COMMON:
        return f"{where} is gone, and `{short(edit.replace)}` is in too many files to say where it went"
    now = list(islice(_elsewhere(derived, changed, edit, files), 3))
    if now:
        return f"{where} is gone, and `{short(edit.replace)}` is in {' and '.join(now)}"
    return f"{where} is gone, and so is `{short(edit.replace)}`"


def _spelling(changed: Release, edit: Edit) -> list[str]:
    """The files that spell what an edit looks for; none for a definition, which is known by its name."""
    searched, words = changed.searched, sorted(re.findall(r"\w{4,}", edit.replace), key=len)
    if not words or edit.replace.startswith(("@", "def ", "class ", "async def ")):
        return []
    texts = ((path, searched.source(path)) for path in searched.containing(words[-1]))
    return [path for path, text in texts if spells(text.decode("utf-8", errors="replace"), edit.replace)]


def _elsewhere(derived: Release, changed: Release, edit: Edit, files: Sequence[str]) -> Iterator[str]:
    """Functions of these files, by module, that have what an edit looks for and had it not before."""
    for path in files:
        known = derived.functions_with(path, edit.replace)
        found = functions_with(changed.searched.source(path), edit.replace)
        yield from (f"{module_name(changed.tree, path)}:{name}" for name in found if name not in known)


# --- sentences -----------------------------------------------------------------------------


def _sentences(one: Fitting) -> Iterator[str]:
    if one.fits:
        some = one.fits[0] if len(one.fits) == 1 else f"{one.fits[0]} to {one.fits[-1]}"
        yield f"Of the releases at hand the edits fit {some}"
    if one.fixed_in:
        yield f"The release before {one.fixed_in} has the code without the fix"
    if one.introduced_in:
        yield f"That code is there since {one.introduced_in}, as far as the releases at hand say"
    if one.changed_in:
        yield f"In {one.changed_in} the fix was changed again: {'; '.join(one.went)}"
    for edit, last in one.alone:
        where = edit.in_function or edit.in_class or edit.in_module
        yield f"By itself the edit of `{short(edit.replace)}` in {where} fits up to {last}"
