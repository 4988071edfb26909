"""The one way in which lines of text reach a terminal by rich, where nothing in them is obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from harness.foreign import visible


class Plain(Console):
    """A console that shows what a terminal would obey, in whatever it is given to draw.

    Everything is drawn as segments; those by which rich itself steers the terminal are no text.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of whatever is drawn."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, keep="\n"))


def say(console: Console, lines: Iterable[str]) -> None:
    """Print lines, each of which stays one: a break in it is shown, for it may forge the next."""
    for line in lines:
        # Escaped before rich sees it, which would drop some controls.
        console.print(Text(visible(line)), soft_wrap=True)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of as many cells as lines, the cells below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
