"""`refault serve`: one arm's server in the foreground, to be looked at by hand."""

from __future__ import annotations

from pathlib import Path

import click

from harness import catalogue
from harness.commands import interruption
from harness.commands.options import reproducers_option, sglang_option
from harness.errors import Unresolved
from harness.facts import Tier
from harness.report.terminal import tell
from harness.serving import by_hand
from harness.suite import Bench, Request, Suite, kept_servers, selection
from harness.suite.kept_servers import KeptServer


@click.command("serve")
@click.argument("bug")
@click.option(
    "--arm",
    type=click.Choice(["fixed", "reverted"]),
    default="reverted",
    show_default=True,
    help="Which arm's server.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the case; repeatable."
)
@sglang_option
@reproducers_option
def command(bug: str, arm: str, settings: tuple[str, ...], sglang: str, elsewhere: tuple[Path, ...]) -> None:
    """Start the server of one arm, say how to talk to it, and leave it up until Ctrl-C.

    BUG is a pull request number, an issue number, a reproducer's id, or a configuration.
    """
    known = catalogue.read(elsewhere)
    subject = catalogue.find(bug, known.subjects)
    (request,) = selection.one(subject, (Tier.SERVER,), settings, arm)
    try:
        with Suite(Bench.here(known.homes).given(sglang)) as suite:
            keep(request, suite)
    except KeyboardInterrupt as stopped:
        interruption.end(stopped)


def keep(request: Request, suite: Suite) -> None:
    """Start every arm's server and leave it up until Ctrl-C, or until one ends, which is Unresolved."""
    arms = " and the ".join(request.asked)
    tell(f"starting the {arms} arm's server of {request.reproducer.short_id} …", stderr=True)
    servers = kept_servers.start(request, suite)
    for server in servers:
        tell(_told(server), keep="\n")
    tell("Ctrl-C ends this.", stderr=True)
    ended = kept_servers.wait(servers)
    raise Unresolved(f"the server of the {ended.arm} arm ended by itself (log: {ended.log})")


def _told(server: KeptServer) -> str:
    lines = (
        f"{server.arm} arm: {server.url}",
        f"  command  {server.command}",
        f"  log      {server.log}",
        f"  ask it   {by_hand.curl(server.url, server.key)}",
    )
    return "\n".join(lines)
