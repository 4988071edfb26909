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
from harness.homes import OWN
from harness.machine.workspace import default as default_workspace
from harness.report.terminal import tell
from harness.source.resolve import resolve

if TYPE_CHECKING:
    from harness.draft.proof import Proven


@click.command("new")
@click.argument("pr", type=click.IntRange(1))
@click.option(
    "--patch",
    "file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The fix as a unified diff of the package.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the draft goes; by default pr<PR>_<function>.py here, or in a checkout's reproducers/.",
)
@click.option(
    "--reproducers",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The folder of your own reproducers: the draft goes there.",
)
@sglang_option
def command(pr: int, file: Path, output: Path | None, folder: Path | None, sglang: str) -> None:
    """Draft a reproducer of the bug that pull request PR fixed.

    The tree must have the fix. Its revert is derived from the patch, applied to a copy of the tree,
    and compared with what the patch changed; what cannot be known is marked TODO.
    """
    # Imported late: nothing else needs the library that reads patches.
    from harness.draft import patch
    from harness.draft.proof import prove
    from harness.draft.render import render

    if output and folder:
        raise BadInput(f"--output {output}: the draft goes into {folder}: leave one of the two out")
    tree = resolve(sglang, default_workspace().releases)
    proven = prove(tree, patch.read(file, tree.package))
    target = output or (folder or _here()) / f"pr{pr}_{_name(proven)}.py"
    _write(target, render(pr, proven))
    tell(f"{target}: {len(proven.edits)} edits undo the patch{'' if proven.exact else ' but for:'}")
    for left in proven.left:
        tell(f"  {left}")
    at_home = folder or target.parent == Path(OWN)
    tell(f"next: {'' if at_home else 'put it into reproducers/, '}fill in its TODOs, then")
    elsewhere = f" --reproducers {shlex.quote(str(folder))}" if folder else ""
    tell(f"`refault show {pr}{elsewhere}` and `refault repro {pr}{elsewhere}`")


def _here() -> Path:
    """`reproducers/` where the current folder is the checkout that Refault runs from, else that folder."""
    return Path(OWN) if homes.own().folder.parent == Path.cwd() else Path()


def _name(proven: Proven) -> str:
    """The edited function's last name, fit for a module."""
    last = proven.edits[0].in_function.rpartition(".")[2]
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
