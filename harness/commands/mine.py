"""`refault mine`: which changes between two releases look like fixes of this suite's kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from harness.bisect.commits import Commits
from harness.commands.options import json_option
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.foreign import shown
from harness.machine.workspace import default as default_workspace
from harness.mine import versions
from harness.mine.changes import Versions, changed
from harness.mine.derived import derived, patch_of
from harness.mine.rank import Candidate, Ranked, ranked
from harness.report import json as json_report
from harness.report import mine as report
from harness.report import terminal
from harness.report.mine import Listed
from harness.report.steps import Steps
from harness.source.resolve import resolve
from harness.source.tree import Tree

_LINES = 5
"""Of progress in each of the two steps, where standard error is no terminal."""


@dataclass(frozen=True)
class _Line:
    """What is looked at: files with their versions, from one name to another, and the tree at its end."""

    before: str
    after: str
    tree: Tree
    files: list[Versions]
    commits: Commits | None = None


@click.command("mine")
@click.option(
    "--from", "before", metavar="A", help="The earlier release (a wheel, or a path that holds sglang/)."
)
@click.option("--to", "after", metavar="B", help="The later one, which has the fixes.")
@click.option(
    "--checkout",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="A clone of upstream's repository, for --commits.",
)
@click.option("--commits", "span", metavar="A..B", help="Commits of --checkout, each looked at by itself.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    default=versions.FOLDERS,
    show_default=True,
    metavar="NAME",
    help="A folder of the package to look into; repeatable.",
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Candidates to list.")
@click.option(
    "--patches",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the change of each listed candidate there, as `refault new --patch` takes it.",
)
@json_option
def command(
    before: str | None,
    after: str | None,
    checkout: Path | None,
    span: str | None,
    folders: tuple[str, ...],
    limit: int,
    patches: Path | None,
    target: json_report.Target | None,
) -> None:
    """List changes between two releases (or of commits) that look like fixes of this suite's kind.

    Judged on the syntax of each changed function, with the reasons, a rank, and whether a revert can be
    derived. Nothing of what is looked at is run.
    """
    line = _line(before, after, checkout, span, folders)
    _make(patches)
    console = terminal.console(stderr=target == "-")
    found = _ranked(line)
    listed = found.candidates[:limit]
    terminal.say(console, [report.head(line.before, line.after, folders, found, len(listed))])
    told: list[Listed] = []
    for one in _listed(line, listed, patches):
        told.append(one)
        terminal.say(console, report.lines(one))
    if target is not None:
        json_report.write(target, report.document(line.before, line.after, folders, found, told))


def _line(
    before: str | None, after: str | None, checkout: Path | None, span: str | None, folders: Sequence[str]
) -> _Line:
    """BadInput unless two trees are named, or commits of a clone."""
    if before and after and not checkout and not span:
        return _trees(before, after, folders)
    if checkout and span and not before and not after:
        return _commits(checkout, span, folders)
    raise BadInput("give two releases, --from A --to B, or commits, --checkout DIR --commits A..B")


def _trees(before: str, after: str, folders: Sequence[str]) -> _Line:
    cache = default_workspace().releases
    old, new = resolve(before, cache), resolve(after, cache)
    _check(new, folders)
    files = list(versions.of_trees(old, new, folders))
    if not files:
        where = ", ".join(folders)
        raise BadInput(
            f"no Python file of {where} differs from {shown(before)} to {shown(after)}: give others"
        )
    return _Line(shown(before), shown(after), new, files)


def _commits(checkout: Path, span: str, folders: Sequence[str]) -> _Line:
    first, dots, last = span.partition("..")
    if not (first and dots and last):
        raise BadInput(f"--commits {shown(span)}: is no range: write it as A..B")
    known = Commits(checkout, default_workspace().commits)
    walked = known.line(first, last)[1:]
    tree = known.tree(walked[-1])
    _check(tree, folders)
    files = [one for commit in walked for one in versions.of_commit(known, commit, folders)]
    return _Line(shown(first), shown(last), tree, files, known)


def _check(tree: Tree, folders: Sequence[str]) -> None:
    """BadInput for a folder that the package has not got."""
    for folder in folders:
        if folder not in versions.FOLDERS and not (tree.folder / folder).is_dir():
            raise BadInput(f"--folder {shown(folder)}: {tree.package} has no such folder: name one below it")


def _make(patches: Path | None) -> None:
    if patches is None:
        return
    try:
        patches.mkdir(exist_ok=True)
    except OSError as error:
        problem = f"--patches {shown(patches)}: cannot be made ({error.strerror})"
        raise BadInput(f"{problem}: name a folder that can be written") from error


def _ranked(line: _Line) -> Ranked:
    steps = Steps(len(line.files), "files", lines=_LINES)
    with steps.running():
        return ranked(changed(_counted(line.files, steps)))


def _counted(files: Iterable[Versions], steps: Steps) -> Iterator[Versions]:
    for file in files:
        yield file
        steps.done(file.path)


def _listed(line: _Line, candidates: Sequence[Candidate], patches: Path | None) -> Iterator[Listed]:
    searched = Searched(line.tree)
    for place, one in enumerate(candidates, 1):
        title = line.commits.title(one.changed.commit) if line.commits else ""
        patch = _written(patches, place, one, line.tree) if patches else ""
        yield Listed(place, one, derived(one.changed, searched), title, patch)


def _written(folder: Path, place: int, one: Candidate, tree: Tree) -> str:
    """Write the change of a candidate; the file's name."""
    name = re.sub(r"\W+", "_", one.changed.qualname).strip("_")
    file = folder / f"{place:02}-{name}.patch"
    text = tree.read(one.changed.path).decode("utf-8", errors="replace")
    try:
        file.write_text(patch_of(one.changed, text, tree.package), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file}: cannot be written ({error.strerror}): name another --patches") from error
    return str(file)
