"""The ends of the arms' logs, as far as they are at hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from harness.verdict import Result

TAIL = 16 * 1024
"""How many bytes of a log the page holds: its end, where a fault is told."""


@dataclass(frozen=True)
class Logs:
    """Looks for logs below `folders` and beside a document.

    A document may come from another machine, so its paths are not followed: only their last two parts
    (`<arm>/log.txt`) are looked for, below folders that were named.
    """

    folders: Sequence[Path] = ()

    def of(self, result: Result, beside: Path | None) -> dict[str, str]:
        """The end of each arm's log by arm, where it was found."""
        found = {}
        for name, arm in result.arms.items():
            path = self._find(arm.log, beside) if arm.log else None
            if path:
                found[name] = _tail(path)
        return found

    def _find(self, told: str, beside: Path | None) -> Path | None:
        parts = Path(told).parts[-3:]
        for folder in (*self.folders, *([beside] if beside else [])):
            for tail in (parts, parts[1:]):
                path = folder.joinpath(*tail)
                if (
                    ".." not in tail
                    and os.path.isfile(path)
                    and path.resolve().is_relative_to(folder.resolve())
                ):
                    return path
        return None


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        text = file.read().decode("utf-8", errors="replace")
    plain = Text.from_ansi(text).plain
    return f"… the last {TAIL} bytes of {size}:\n{plain}" if size > TAIL else plain
