"""What `refault mine` found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import __version__
from harness.mine.derived import Derived
from harness.mine.rank import Candidate, Ranked


@dataclass(frozen=True)
class Listed:
    """A candidate as it is told: its place in the list, counted from 1, and what became of its revert.

    `title` is the first line of the commit that brought it, and `patch` the file that holds its change.
    """

    place: int
    candidate: Candidate
    derived: Derived
    title: str = ""
    patch: str = ""


def head(before: str, after: str, folders: Sequence[str], found: Ranked, listed: int) -> str:
    """The line above the list."""
    where = f"{before} to {after}, in {', '.join(folders)}"
    counts = f"{found.changed} functions differ, {len(found.candidates)} changes look like a fix"
    return f"{where}: {counts}; the first {listed}:"


def lines(one: Listed) -> Iterator[str]:
    """One candidate: what and where, the pieces, and the revert."""
    change = one.candidate.changed
    kinds = ", ".join(one.candidate.reasons[:4])
    place = f"{change.qualname}  {change.path}:{change.line}"
    yield f"{one.place:>3}  {one.candidate.score:.2f}  {place}  ({kinds})"
    if one.title:
        yield f"           {one.title}"
    yield from (f"           {text}" for text in one.candidate.shown)
    if one.candidate.also:
        yield f"           the same in {', '.join(one.candidate.also)}"
    if change.moved:
        yield f"           moved from {change.old_path}"
    if change.origin:
        yield f"           {'taken out of' if change.part else 'called before'} {change.origin}"
    yield f"           {one.derived.word}{f': {one.patch}' if one.patch else ''}"


def document(
    before: str, after: str, folders: Sequence[str], found: Ranked, listed: Sequence[Listed]
) -> dict[str, Any]:
    """The JSON; its form is in docs/mine.md."""
    return {
        "refault": __version__,
        "from": before,
        "to": after,
        "folders": list(folders),
        "changed": found.changed,
        "found": len(found.candidates),
        "candidates": [_candidate(one) for one in listed],
    }


def _candidate(one: Listed) -> Mapping[str, Any]:
    candidate, change = one.candidate, one.candidate.changed
    commit = {"commit": change.commit, "title": one.title} if change.commit else {}
    moved = {"moved_from": change.old_path} if change.moved else {}
    moved |= {"origin": change.origin} if change.origin else {}
    return {
        "rank": one.place,
        "score": candidate.score,
        "function": change.qualname,
        "path": change.path,
        "line": change.line,
        "reasons": [str(reason) for reason in candidate.reasons],
        "pieces": list(candidate.shown),
        "also": list(candidate.also),
        **moved,
        **commit,
        "revert": {"edits": one.derived.edits, "exact": one.derived.exact, "why": one.derived.why},
        **({"patch": one.patch} if one.patch else {}),
    }
