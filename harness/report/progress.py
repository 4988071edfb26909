"""Tells on standard error how far a run is: a live line on a terminal, a line per result elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.status import Status
from rich.text import Text

from harness.foreign import visible
from harness.report.terminal import console, say
from harness.verdict import Result

_SHOWN = 3
"""How many arms under way the live line names."""


class Progress:
    """Counts results against how many there will be, and names the arms that are under way.

    With `arms`, each arm that ends is a line too, where there is no terminal.
    """

    def __init__(self, total: int, *, arms: bool = False) -> None:
        self._console = console(stderr=True)
        self._total = total
        self._arms = arms
        self._done = 0
        self._since = time.monotonic()
        self._status: Status | None = None
        self._under_way: dict[str, None] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the live line for as long as the block runs, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(self) as self._status:
            yield

    def __rich__(self) -> Text:
        """The live line, drawn anew several times a second."""
        return Text(visible(self._text()))

    def started(self, arm: str) -> None:
        """An arm was handed over to be run; `arm` names its case and itself."""
        self._under_way[arm] = None

    def ended(self, arm: str) -> None:
        """An arm has ended, whatever came of it."""
        self._under_way.pop(arm, None)
        if self._arms and not self._status:
            say(self._console, [f"{arm} ended after {self._elapsed()}"])

    def finished(self, result: Result) -> None:
        self._done += 1
        if not self._status:
            word = result.verdict.value if result.verdict else "one arm"
            place = f"[{self._done}/{self._total}] {result.reproducer} {result.tier}"
            say(self._console, [f"{place}: {word} after {self._elapsed()}"])

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the terminal to what is told meanwhile."""
        if self._status is None:
            yield
            return
        self._status.stop()
        try:
            yield
        finally:
            self._status.start()

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._since:.1f} s"

    def _text(self) -> str:
        text = f"{self._done} of {self._total} cases judged"
        waiting = list(self._under_way)
        if not waiting:
            return f"{text}; the first one waits until upstream is imported"
        more = f" and {len(waiting) - _SHOWN} more" if waiting[_SHOWN:] else ""
        return f"{text}, {self._elapsed()}; waiting for {', '.join(waiting[:_SHOWN])}{more}"
