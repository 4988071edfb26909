"""`refault warm`: in the foreground, what every command would import anew is held ready for the next ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from harness import homes
from harness.commands import interruption
from harness.commands.options import reproducers_option
from harness.process.warm.holding import Ready, hold
from harness.report.terminal import tell
from harness.suite import Bench
from harness.suite.environments import Environments
from harness.tiers import arms

_PACKAGE = "sglang"
_KINDS = (*sorted(arms.BRANCHES), arms.CPU_SERVER)
"""The kinds of arms on a CPU; what they have in common is held once."""


@click.command("warm")
@click.option(
    "--idle",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="MINUTES",
    help="End once no command has asked for that long.",
)
@reproducers_option
def command(idle: float, elsewhere: tuple[Path, ...]) -> None:
    """Keep ready what arms share, so that other commands start at once; until Ctrl-C.

    Commands with the same REFAULT_CACHE, environment and current folder find it by themselves. It starts anew
    where a file that it has loaded changes, Refault's own among them, or arms have learned more to import.
    """
    bench = Bench.here(homes.every(elsewhere))
    tell("importing what arms share …", stderr=True)
    try:
        stale = hold(
            bench.workspace.warm,
            lambda: Environments(bench, _PACKAGE).every(_KINDS),
            idle * 60,
            lambda held: _tell_ready(held, idle),
            lambda answered: tell(answered, stderr=True),
        )
    except KeyboardInterrupt as stopped:
        interruption.end(stopped)
    if stale is None:
        tell(f"nobody has asked for {idle:g} minutes: ended", stderr=True)
        return
    tell(f"{stale}: starting anew", stderr=True)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _tell_ready(held: Ready, idle: float) -> None:
    holds = f"{' and '.join(held.kinds)} arms, {held.files} files, {held.memory >> 20} MiB"
    told = f"ready after {held.seconds:.1f} s: {holds}"
    tell(f"{told}. Ctrl-C ends this, and so do {idle:g} idle minutes.", stderr=True)
