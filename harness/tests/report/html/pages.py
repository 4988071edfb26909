"""Pages made of invented runs."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser

from harness.documents import Document
from harness.report.html import Sources, render
from harness.report.releases import Releases

VOID = {"meta", "link", "input", "br", "wbr", "img"}


class Outline(HTMLParser):
    """Checks that elements nest, and gathers every address that the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def made(*documents: Document, sources: Sources | None = None, matrices: Sequence[Releases] = ()) -> str:
    """The page of these documents."""
    return render(documents, sources or Sources(), matrices)
