"""A progress bar on standard error: drawn on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.foreign import visible
from harness.report.terminal import console, say


class Steps:
    """Counts `total` steps; `what` says in one word what they are.

    Where there is no terminal, `lines` is how many lines are told at most, at equal distances, the last of
    them at the end; None is a line for each call of `done`.
    """

    def __init__(self, total: int, what: str, *, lines: int | None = None) -> None:
        self._console = console(stderr=True)
        self._total, self._done, self._since = total, 0, time.monotonic()
        self._lines = lines
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
        before, self._done = self._done, self._done + count
        if self._console.is_terminal:
            self._bar.update(self._task, advance=count, description=visible(step))
        elif self._is_told(before):
            elapsed = time.monotonic() - self._since
            say(self._console, [f"[{self._done}/{self._total}] {step} after {elapsed:.1f} s"])

    def _is_told(self, before: int) -> bool:
        """Whether the steps since `before` came to the next of the lines."""
        if self._lines is None:
            return True
        return self._done * self._lines // self._total > before * self._lines // self._total
