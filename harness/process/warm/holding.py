"""The whole of what a warm process does, from its first import to why it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.process.warm.holder import Environments, Holder
from harness.process.warm.loaded import Loaded
from harness.process.warm.place import Place
from harness.process.warm.stock import Changing, Stock
from harness.process.warm.surroundings import Surroundings

_SETTLED = 5.0
"""Seconds ago; this process's own modules must have changed before, for it has imported them since."""
_TRIES, _PAUSE = 5, 2.0
"""How often what changed while it was loaded is loaded again, and the seconds before that."""


@dataclass(frozen=True)
class Ready:
    """What is told once pools can come; `memory` is in bytes."""

    kinds: tuple[str, ...]
    files: int
    memory: int
    seconds: float


def hold(
    folder: Path,
    wanted: Environments,
    idle: float,
    ready: Callable[[Ready], None],
    tell: Callable[[str], None] = lambda answered: None,
) -> str | None:
    """Lends fork servers until they would have to be started anew by a new process, which is why; None once
    nobody has asked for `idle` seconds. What each pool was answered goes to `tell`.

    BadInput where another process does so already, Unresolved where what arms share cannot be imported.
    """
    surroundings, place = Surroundings.here(), Place(folder)
    own = Loaded.modules(time.time_ns() - int(_SETTLED * 1e9))
    if own.late:
        return _wait_for(own.late)
    place.take()
    try:
        started = time.monotonic()
        with _stock(wanted) as stock, place.listen() as listening:
            ready(Ready(tuple(stock.environments), stock.files, stock.memory, time.monotonic() - started))
            return Holder(stock, wanted, surroundings, own, tell).serve(listening, idle)
    finally:
        place.leave()


def _stock(wanted: Environments) -> Stock:
    """Loaded again where something is being installed."""
    for _ in range(_TRIES - 1):
        try:
            return Stock(wanted())
        except Changing:
            time.sleep(_PAUSE)
    return Stock(wanted())


def _wait_for(changed: str) -> str:
    """Until that is no news any more. Changing for a time that lies ahead, which would not end."""
    if os.stat(changed).st_ctime > time.time() + _SETTLED:
        raise Changing(changed)
    time.sleep(_SETTLED)
    return f"{changed} has just changed"
