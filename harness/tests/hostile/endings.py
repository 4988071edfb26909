"""Runs many commands with variables of their own, and holds what refuses its input to one line."""

from __future__ import annotations

from collections.abc import Sequence

from harness.tests.toyland.checkout import Checkout, Ended, Typed

_LONGEST = 60
"""Seconds of one command; more is a hang."""


def each(place: Checkout, typed: Sequence[Typed]) -> list[Ended]:
    """What each of them left; one that hangs ends by SIGALRM."""
    return place.run_each(typed, longest=_LONGEST, timeout=600)


def one_line(done: Ended, code: int = 2) -> str:
    """What a command that refused its input said; nothing else was printed."""
    assert (done.returncode, done.stdout) == (code, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("refault: ") and line.isprintable() and "itself failed" not in line, line
    return line
