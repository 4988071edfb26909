"""`refault report`: results for people and for CI, from the JSON of one or more runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harness import catalogue, history
from harness.catalogue import Catalogue
from harness.commands.options import place, reproducers_option
from harness.documents import Document, load_all, parse
from harness.errors import BadInput
from harness.golden import GoldenStore
from harness.history import Series
from harness.machine.workspace import default as default_workspace
from harness.report import html, junit, markdown, releases, terminal
from harness.report import json as json_report
from harness.report.releases import Releases

_log = logging.getLogger(__name__)
_FILE = click.Path(path_type=Path)


@click.command("report")
@click.argument("files", nargs=-1, type=_FILE, required=True)
@click.option(
    "--html", "page", type=_FILE, callback=place, metavar="FILE", help="Write one self-contained HTML file."
)
@click.option("--junit", "xml", type=_FILE, callback=place, metavar="FILE", help="Write JUnit XML.")
@click.option(
    "--markdown",
    "summary",
    type=_FILE,
    callback=place,
    metavar="FILE",
    help="Write a job summary in Markdown.",
)
@click.option("--history", "store", type=_FILE, metavar="FILE", help="The store of past runs, for trends.")
@click.option(
    "--logs",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="FOLDER",
    help="Where the arms' logs lie, if not in the cache or beside FILES; repeatable.",
)
@reproducers_option
@click.option("--detail", is_flag=True, help="Without a file to write: the evidence of passing results too.")
def command(
    files: tuple[Path, ...],
    page: Path | None,
    xml: Path | None,
    summary: Path | None,
    store: Path | None,
    folders: tuple[Path, ...],
    elsewhere: tuple[Path, ...],
    detail: bool,
) -> None:
    """Show the results in FILES, which --json wrote; without an option, on the terminal.

    Several files, of several machines say, make one report. Those of `refault matrix` become tables of
    releases in the page and in the summary; JUnit XML has no place for them.
    """
    known = catalogue.read(elsewhere)
    rest, matrices = releases.split(files, {subject.id: subject for subject in known.subjects})
    documents = load_all(rest) if rest or not matrices else []
    series = past(store)
    if page:
        _write(page, lambda: html.render(documents, sources(known, series, folders), matrices))
    if xml:
        _write(xml, lambda: junit.render(documents))
    if summary:
        _write(summary, lambda: markdown.render(documents, series, matrices))
    if not (page or xml or summary):
        _show(documents, matrices, detail)


def _show(documents: Sequence[Document], matrices: Sequence[Releases], detail: bool) -> None:
    console = terminal.console()
    for matrix in matrices:
        terminal.say(console, releases.lines(matrix))
    results = [result for document in documents for result in document.results]
    if documents:
        terminal.show(results, console, detail=detail)


def finished(told: Mapping[str, Any], page: Path | None, known: Catalogue) -> None:
    """Keep a run that just ended, given as its JSON document, in the cache's history; then write its page.

    A history that cannot be used is a warning: the verdicts are the same without it. Raises BadInput where
    the page cannot be written.
    """
    document = parse(told, name="this run")
    try:
        with history.opened(default_workspace().history) as kept:
            kept.append(document)
    except BadInput as error:
        _log.warning("%s", error)
    if page:
        _write(page, lambda: html.render([document], sources(known, past(None), ())))


def past(store: Path | None) -> list[Series]:
    """What the store holds; that of the cache if none is named, and nothing where there is none yet.

    The cache's is incidental: where it cannot be used, that is a warning. BadInput for one that was named.
    """
    if store:
        if not os.path.lexists(store):
            raise BadInput(f"{store}: there is no such history: make it with `refault history --import`")
        return _kept(store)
    try:
        own = default_workspace().history
        return _kept(own) if os.path.lexists(own) else []
    except BadInput as error:
        _log.warning("%s", error)
        return []


def _kept(path: Path) -> list[Series]:
    with history.opened(path) as kept:
        return kept.series()


def sources(known: Catalogue, series: Sequence[Series], folders: Sequence[Path]) -> html.Sources:
    """What this checkout and machine know about results: reproducers, goldens, history, logs."""
    return html.Sources(
        subjects={subject.id: subject for subject in known.subjects},
        goldens=GoldenStore.of(known.homes),
        history=series,
        logs=html.Logs((*folders, default_workspace().runs)),
    )


def _write(target: Path, made: Callable[[], str]) -> None:
    text = made()
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise json_report.unwritable(target, error, "name a writable file") from error
    terminal.tell(str(target), stderr=True)
