"""`refault doctor`: what this machine has and lacks, and what would run on another one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from harness import catalogue, doctor
from harness.catalogue import Catalogue
from harness.commands.options import reproducers_option
from harness.commands.options import target as json_target
from harness.doctor import Check, State
from harness.errors import BadInput
from harness.machine import Machine, this_machine
from harness.machine.described import described
from harness.machine.workspace import default as default_workspace
from harness.report import json as json_report
from harness.report.terminal import tell
from harness.serving import leftovers
from harness.suite import Foreseen, foresee


@click.command("doctor")
@click.option("--clean", is_flag=True, help="First remove what dead runs and servers left behind.")
@click.option(
    "--on", "platform", metavar="PLATFORM", help="Instead, what would run on rocm-gfx942, cuda-sm90, …"
)
@click.option(
    "--gpus", type=click.IntRange(1), metavar="N", help="With --on: how many GPUs it has; 1 if not told."
)
@click.option(
    "--json",
    "target",
    callback=json_target,
    metavar="FILE",
    help="Also write which cases run, there or here, as JSON; - for standard output.",
)
@reproducers_option
def command(
    clean: bool,
    platform: str | None,
    gpus: int | None,
    target: json_report.Target | None,
    elsewhere: tuple[Path, ...],
) -> None:
    """Say what this machine has and lacks. Ends with 1 if something is wrong.

    With --on: every case on a machine of that platform that has what upstream's image for it brings, with the
    command line of its server, or with what it lacks there.
    """
    if gpus and not platform:
        raise BadInput("--gpus is for a machine that is described: add --on PLATFORM")
    if platform and clean:
        raise BadInput("--clean is for this machine: leave out --on, or clean first")
    machine = described(platform, gpus) if platform else this_machine()
    known = catalogue.read(elsewhere)
    code = 0 if platform else _examine(machine, known, clean, target)
    cases = list(foresee(machine, known.subjects))
    if platform:
        _tell(machine, cases, target)
    if target is not None:
        told = {"machine": machine.to_json(), "cases": [case.to_json() for case in cases]}
        json_report.write(target, told)
    sys.exit(code)


def _examine(machine: Machine, known: Catalogue, clean: bool, target: json_report.Target | None) -> int:
    if clean:
        leftovers.found().remove()
    checks = list(doctor.checks(machine, default_workspace(), known))
    for check in checks:
        tell(f"{check.state:<6} {check.name:<{_widest(checks)}} {check.found}", stderr=target == "-")
    return 1 if any(check.state is State.WRONG for check in checks) else 0


def _widest(checks: Sequence[Check]) -> int:
    return max(len(check.name) for check in checks)


def _tell(machine: Machine, cases: Sequence[Foreseen], target: json_report.Target | None) -> None:
    """A line a case: what it lacks, or how its server is started."""
    gpus = f", {machine.gpus} GPUs" if machine.gpus > 1 else ""
    lines = [f"{machine.platform}{gpus}: {', '.join(sorted(machine.features))}"]
    for case in cases:
        place = f"{case.request.reproducer.short_id} {case.request.tier} {case.platform}"
        lines.append(
            f"{'runs ' if case.runs else 'lacks'}  {place}  {', '.join(case.lacks) or case.command}".rstrip()
        )
    for line in lines:
        tell(line, stderr=target == "-")
