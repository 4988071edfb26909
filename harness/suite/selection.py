"""From what a user typed to what is run: reproducers, tiers, arms and points of the parameter space."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness import catalogue
from harness.errors import BadInput
from harness.facts import Subject, Tier
from harness.suite import Request
from harness.verdict import BOTH, ArmName

WITHOUT_SERVERS = (Tier.CODEGEN, Tier.KERNEL)


def select(names: Sequence[str], tiers: Sequence[Tier], known: Sequence[Subject]) -> list[Request]:
    """Every case of the named reproducers (all of them for none) in the wanted tiers.

    Servers, which take minutes, are run where their tier is asked for, or a subject that has no other.
    """
    chosen = [catalogue.find(name, known) for name in names] or list(known)
    wanted = tiers or WITHOUT_SERVERS
    found = [
        Request(reproducer=reproducer, tier=tier, platform=platform)
        for reproducer in {one.id: one for one in chosen}.values()
        for tier, platform in reproducer.cases
        if tier in wanted or (names and not tiers and reproducer.tiers == (Tier.SERVER,))
    ]
    if not found:
        have = "; ".join(f"{reproducer.short_id} has {', '.join(reproducer.tiers)}" for reproducer in chosen)
        raise BadInput(f"no case in tier {', '.join(wanted)}: {have}")
    return found


def one(
    reproducer: Subject, tiers: Sequence[Tier], settings: Sequence[str], arm: str | None
) -> list[Request]:
    """The cases of one reproducer, at its own points or at one given by `--set`."""
    asked: tuple[ArmName, ...] = BOTH if arm is None else ("fixed",) if arm == "fixed" else ("reverted",)
    return [
        replace(request, overrides=overrides(request, settings) if settings else None, asked=asked)
        for request in _taking(settings, select([reproducer.id], tiers, [reproducer]))
    ]


def _taking(settings: Sequence[str], found: Sequence[Request]) -> Sequence[Request]:
    """The cases that take every parameter that is set; all of them if none does, to be told why."""
    names = {setting.partition("=")[0] for setting in settings}
    return [request for request in found if names <= set(request.case.params)] or found


def overrides(request: Request, settings: Sequence[str]) -> Mapping[str, Any]:
    """`name=value` texts as checked parameter values; BadInput names the text and what would do."""
    reproducer, params = request.reproducer, request.case.params
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise BadInput(f"--set {setting}: write name=value")
        if name not in params:
            near = difflib.get_close_matches(name, params, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            takes = f"it takes {', '.join(params)}"
            raise BadInput(f"--set {setting}: {reproducer.short_id} takes no {name!r}: {hint}{takes}")
        try:
            parsed[name] = params[name].parse(value)
        except BadInput as error:
            raise BadInput(f"--set {setting}: {error}") from None
    try:
        request.case.point(parsed)
    except BadInput as error:
        raise BadInput(f"--set {' '.join(settings)}: {error}") from None
    return parsed
