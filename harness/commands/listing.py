"""`refault list`: what there is to reproduce."""

from __future__ import annotations

from pathlib import Path

import click

from harness import catalogue
from harness.commands.options import reproducers_option
from harness.facts import Reproducer
from harness.report.terminal import tell


@click.command("list")
@reproducers_option
def command(elsewhere: tuple[Path, ...]) -> None:
    """List the reproducers: id, tiers, releases, title."""
    for subject in catalogue.read(elsewhere).subjects:
        about = f"fixed in {subject.bug.fixed_in}" if isinstance(subject, Reproducer) else "configuration"
        tell(f"{subject.short_id:<26} {','.join(subject.tiers):<21} {about:<21} {subject.title}")
