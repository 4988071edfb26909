"""Tells on standard error how far a run is: a live line on a terminal, a line per result elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.status import Status

from harness.report.terminal import console
from harness.verdict import Result


class Progress:
    """Counts results against how many there will be."""

    def __init__(self, total: int) -> None:
        self._console = console(stderr=True)
        self._total = total
        self._done = 0
        self._since = time.monotonic()
        self._status: Status | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the live line for as long as the block runs, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(self._text()) as self._status:
            yield

    def finished(self, result: Result) -> None:
        self._done += 1
        if self._status:
            self._status.update(self._text())
        else:
            word = result.verdict.value if result.verdict else "one arm"
            elapsed = time.monotonic() - self._since
            place = f"[{self._done}/{self._total}] {result.reproducer} {result.tier}"
            self._console.print(f"{place}: {word} after {elapsed:.1f} s", soft_wrap=True)

    def _text(self) -> str:
        return f"{self._done} of {self._total} cases judged; the first one waits until upstream is imported"
