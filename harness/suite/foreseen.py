"""What would run on a machine: every case, with its server's command line or with what it lacks there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.facts import CaseKey, OfCase, ServerCase, Subject
from harness.facts.server import Model
from harness.machine import Machine
from harness.suite.request import Request, missing

_PROGRAM = ("python3", "-m", "sglang.launch_server")


@dataclass(frozen=True, kw_only=True)
class Foreseen(OfCase):
    """One case on one machine: the key of its result, what it `lacks` there, and, where it runs and has a
    server, that one's `arguments` at the default point. The model goes by its name in them.
    """

    request: Request
    key: CaseKey
    lacks: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        return not self.lacks

    @property
    def command(self) -> str:
        """The command line of its server; empty for a case without one."""
        return shlex.join((*_PROGRAM, *self.arguments)) if self.arguments else ""

    def to_json(self) -> dict[str, Any]:
        told = {"lacks": list(self.lacks), "arguments": list(self.arguments)}
        return {**self.key.to_json(), "runs": self.runs, **told}


def foresee(machine: Machine, subjects: Sequence[Subject]) -> Iterator[Foreseen]:
    """Every case of these, in their order."""
    for subject in subjects:
        for tier, platform in subject.cases:
            yield _foreseen(Request(reproducer=subject, tier=tier, platform=platform), machine)


def _foreseen(request: Request, machine: Machine) -> Foreseen:
    lacks = missing(request, machine)
    return Foreseen(
        request=request,
        key=request.key(machine),
        lacks=lacks,
        arguments=() if lacks else _arguments(request.case, machine),
    )


def _arguments(case: Any, machine: Machine) -> tuple[str, ...]:
    if not isinstance(case, ServerCase):
        return ()
    draft = f"{case.model}/draft" if Model(case.model).has_draft else None
    return case.command(machine.host, case.default, case.model, draft)
