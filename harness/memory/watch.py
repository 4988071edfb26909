"""Which oracle watches now, for what makes memory or repeats operations on behalf of code under test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from harness.memory.fences import Fenced
from harness.memory.poison import Poison
from harness.memory.violations import Violations


@dataclass(frozen=True)
class Watch:
    """One watched block: below `roots` is code under test, the rest is what its oracle keeps."""

    roots: tuple[str, ...]
    violations: Violations
    fences: Fenced
    poison: Poison

    def covers(self, file: str) -> bool:
        """Whether code in this file is under test."""
        return any(map(Path(file).is_relative_to, self.roots))


_CURRENT: ContextVar[Watch | None] = ContextVar("watch", default=None)


def current() -> Watch | None:
    """The innermost watch of this thread, if there is one."""
    return _CURRENT.get()


@contextmanager
def kept(watch: Watch) -> Iterator[None]:
    """Be watched by `watch` for as long as the block runs."""
    token = _CURRENT.set(watch)
    try:
        yield
    finally:
        _CURRENT.reset(token)
