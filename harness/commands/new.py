"""`refault new`: from an upstream patch to the draft of a reproducer."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import homes
from harness.commands.options import sglang_option
from harness.errors import BadInput
from harness.facts.reproducer import UNNUMBERED
from harness.foreign import shown
from harness.homes import OWN
from harness.machine.workspace import default as default_workspace
from harness.report.terminal import tell
from harness.source.releases import Releases
from harness.source.resolve import resolve

if TYPE_CHECKING:
    from harness.draft.proof import Proven


def _called(_: click.Context, __: click.Parameter, value: str | None) -> str:
    """The name as it stands in a module's. BadInput for one that cannot."""
    found = re.sub(r"[-\s]+", "_", (value or "").strip().lower()).removeprefix(UNNUMBERED)
    if value is not None and not re.fullmatch(r"[a-z0-9_]*[a-z0-9]", found):
        raise BadInput(f"--name {shown(value)}: is no name of a module: give words such as eagle-row-width")
    return found


@click.command("new")
@click.argument("pr", type=click.IntRange(1), required=False)
@click.option(
    "--name",
    callback=_called,
    metavar="WORDS",
    help="What it is called: bug_<name> without PR, else pr<PR>_<name>; by default, an edited function.",
)
@click.option(
    "--patch",
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="The fix as git or diff writes it; - is standard input. By default GitHub is asked.",
)
@click.option("--commit", metavar="COMMIT", help="The fix as a commit, or a range A..B, of --checkout.")
@click.option(
    "--checkout",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The clone that --commit is of; by default the current folder.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="FUNCTION",
    help="Undo only what the patch changes in this function or class; <module> is the rest. Repeatable.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the draft goes; by default pr<PR>_<name>.py here, or in a checkout's reproducers/.",
)
@click.option(
    "--reproducers",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder of your own reproducers: the draft goes there.",
)
@sglang_option
def command(
    pr: int | None,
    name: str,
    file: Path | None,
    commit: str | None,
    checkout: Path | None,
    only: tuple[str, ...],
    output: Path | None,
    folder: Path | None,
    sglang: str,
) -> None:
    """Draft a reproducer of the bug that pull request PR fixed, or of one that --name names.

    The patch is --patch or --commit, else that of PR is fetched from GitHub. The tree must have the fix; if
    it has not, a release at hand that has it is taken. The revert is derived from the patch, applied to a
    copy of the tree, and compared with what the patch changed; what cannot be known is marked TODO.
    """
    # Imported late: no other command needs it.
    from harness.draft import obtained
    from harness.draft.deriving import derived
    from harness.draft.render import render
    from harness.draft.surroundings import around

    if output and folder:
        raise BadInput(f"--output {output}: the draft goes into {folder}: leave one of the two out")
    if pr is None and not name:
        raise BadInput("give the pull request's number, or --name WORDS for a bug without one")
    kept = Releases(default_workspace().releases)
    tree, fix = resolve(sglang, kept.folder), obtained.obtained(pr, file, commit, checkout)
    proven = derived(kept, tree, fix, only)
    known = around(proven, fix, homes.own().folder / "rigs")
    module = _module(pr, name, proven)
    target = output or (folder or _here()) / f"{module}.py"
    _write(target, render(pr, proven, known, module))
    _told(target, proven)
    _tell_known(pr, target, folder)
    _tell_next(str(pr or target.stem), target, folder)


def _tell_next(called: str, target: Path, folder: Path | None) -> None:
    at_home = folder or target.parent == Path(OWN)
    tell(f"next: {'' if at_home else 'put it into reproducers/, '}fill in its TODOs, then")
    elsewhere = f" --reproducers {shlex.quote(str(folder))}" if folder else ""
    tell(f"`refault show {called}{elsewhere}` and `refault repro {called}{elsewhere}`")


def _told(target: Path, proven: Proven) -> None:
    """What the draft holds, what stays, and what would keep it from running."""
    todo = [left.text for left in proven.left if left.todo]
    part = f"'s change of {', '.join(proven.only)}" if proven.only else ""
    count = len(proven.edits)
    undone = (
        f"{count or 'no'} edit{'' if count == 1 else 's'} undo{'es' if count == 1 else ''} the patch{part}"
    )
    tell(f"{target}: {undone}{' but for:' if todo else ''}")
    for text in todo:
        tell(f"  {text}")
    for why in proven.broken:
        tell(f"the reverted arm will not run, because {why}")
    for text in proven.fitting.told if proven.fitting else ():
        tell(text)
    for left in proven.left:
        if not left.todo:
            tell(f"note: {left.text}")


def _tell_known(pr: int | None, target: Path, folder: Path | None) -> None:
    """Warn where another module has a reproducer of this number, or of this name, already."""
    called, wanted = (str(pr), rf"(?:pr|issue){pr}(?:_|$)") if pr else (target.stem, rf"{target.stem}$")
    folders = [homes.own().folder, *homes.from_environment(), *([folder] if folder else [])]
    for file in sorted({file.resolve() for one in folders for file in one.glob("*.py")}):
        if re.match(wanted, file.stem) and file != target.resolve():
            tell(f"warning: {called} has a reproducer already: {file}: see that this is another bug")


def _here() -> Path:
    """`reproducers/` where the current folder is the checkout that Refault runs from, else that folder."""
    return Path(OWN) if homes.own().folder.parent == Path.cwd() else Path()


def _module(pr: int | None, name: str, proven: Proven) -> str:
    """The name of the draft's module."""
    return f"pr{pr}_{name or _edited(proven)}" if pr else f"{UNNUMBERED}{name}"


def _edited(proven: Proven) -> str:
    """The last name of the first edited function, else of a class or module, fit for a module."""
    names = [edit.in_function for edit in proven.edits if edit.in_function]
    names += [edit.in_class or edit.in_module for edit in proven.edits]
    last = [*names, proven.modules[0]][0].rpartition(".")[2]
    return re.sub(r"\W+", "_", last.strip("_")).lower() or "fix"


def _write(target: Path, text: str) -> None:
    """Make a new file. BadInput if there is one already, or if it cannot be written."""
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise BadInput(f"{target} is there already: move it, or name another with --output") from error
    except OSError as error:
        remedy = "name another file with --output"
        raise BadInput(f"{target}: cannot be written ({error.strerror}): {remedy}") from error
