"""`refault show`: one reproducer, described."""

from __future__ import annotations

from pathlib import Path

import click

from harness import catalogue
from harness.commands.options import reproducers_option, sglang_option
from harness.machine.workspace import default as default_workspace
from harness.report.describe import describe
from harness.report.terminal import tell
from harness.source.resolve import resolve


@click.command("show")
@click.argument("bug")
@sglang_option
@reproducers_option
def command(bug: str, sglang: str, elsewhere: tuple[Path, ...]) -> None:
    """Show one reproducer: the bug, its parameters, and what its revert changes.

    BUG is a pull request number, an issue number, or a reproducer's id.
    """
    subject = catalogue.find(bug, catalogue.read(elsewhere).subjects)
    tell(describe(subject, resolve(sglang, default_workspace().releases)), keep="\n\t")
