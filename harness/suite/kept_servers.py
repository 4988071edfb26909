"""Servers that stay up for inspection: the same that the server tier judges, without its traffic."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import Unresolved
from harness.process.job import Ended, read_json
from harness.suite import Request, Suite
from harness.tiers.arms import STANDING
from harness.verdict import ArmName

_LOOK_EVERY = 0.1


@dataclass(frozen=True, kw_only=True)
class KeptServer:
    """One arm's server while it runs: where it is, what opens it, and what it was started with."""

    arm: ArmName
    url: str
    key: str
    model: str
    log: Path
    command: str
    future: Future[Ended]

    @property
    def is_up(self) -> bool:
        return not self.future.done()


def start(request: Request, suite: Suite) -> list[KeptServer]:
    """Start the server of every arm asked for, side by side, and wait until each is ready.

    Raises StaleRevert where an arm cannot be made, Unresolved where a server does not come up.
    """
    begun = [(arm, *suite.stand(request, arm)) for arm in request.asked]
    return [_ready(arm, folder, future) for arm, folder, future in begun]


def wait(standing: Sequence[KeptServer]) -> KeptServer:
    """The first of these servers that ends; it may never."""
    while True:
        for server in standing:
            if not server.is_up:
                return server
        time.sleep(_LOOK_EVERY)


def _ready(arm: ArmName, folder: Path, future: Future[Ended]) -> KeptServer:
    while not (told := read_json(folder / STANDING)):
        if future.done():
            raise Unresolved(f"the server of the {arm} arm did not come up: {_why(future.result())}")
        time.sleep(_LOOK_EVERY)
    return KeptServer(arm=arm, future=future, **_plain(told))


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "log": Path(told["log"])}


def _why(ended: Ended) -> str:
    return f"{(ended.error or {}).get('message') or ended.exit.message or ended.exit.how} (log: {ended.log})"
