"""All orders that the accesses of several programs can come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def interleavings(left: Sequence[int]) -> Iterator[list[int]]:
    """Of so many accesses of each program, by whose turn it is."""
    if not any(left):
        yield []
    for program, count in enumerate(left):
        if count:
            rest = [n - (other == program) for other, n in enumerate(left)]
            yield from ([program, *more] for more in interleavings(rest))
