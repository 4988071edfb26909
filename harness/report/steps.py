"""A progress bar on standard error: drawn on a terminal, a line per step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.foreign import visible
from harness.report.terminal import console, say


class Steps:
    """Counts `total` steps; `what` says in one word what they are."""

    def __init__(self, total: int, what: str) -> None:
        self._console = console(stderr=True)
        self._total, self._done, self._since = total, 0, time.monotonic()
        columns = (
            TextColumn(what, markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._bar = Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("starting", total=total)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the bar for as long as the block runs, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._bar:
            yield

    def done(self, step: str, count: int = 1) -> None:
        """Count `count` steps more; `step` says which the last was."""
        self._done += count
        if self._console.is_terminal:
            self._bar.update(self._task, advance=count, description=visible(step))
        else:
            elapsed = time.monotonic() - self._since
            say(self._console, [f"[{self._done}/{self._total}] {step} after {elapsed:.1f} s"])
