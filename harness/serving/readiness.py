"""When a server is ready, or has died instead: both are known within a tenth of a second or two."""

from __future__ import annotations

import http.client
import select
from collections.abc import Callable, Iterable
from typing import Literal

from harness.process.patience import Patience
from harness.serving.ports import HOST

LOOK_EVERY = 0.1
"""Seconds between looks; the server's first process is watched all the while."""
_ANSWER_WITHIN = 2.0

State = Literal["ready", "died", "time-out"]


def wait(pidfd: int, port: int, key: str, seconds: float, meanwhile: Callable[[], Iterable[int]]) -> State:
    """Until `/health` answers 200, the process behind `pidfd` ends, or `seconds` have passed.

    Upstream answers 503 until its own warm-up request came back, in every release from 0.5.9 to 0.5.23.
    `meanwhile` is called once a look, and gives the server's processes: what they waited for a processor
    is not counted.
    """
    end = select.poll()
    end.register(pidfd, select.POLLIN)
    patience = Patience(seconds)
    while not end.poll(LOOK_EVERY * 1000):
        if is_healthy(port, key):
            return "ready"
        if patience.is_over(meanwhile()):
            return "time-out"
    return "died"


def is_healthy(port: int, key: str) -> bool:
    """Whether the server says that it is up."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_WITHIN)
    try:
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False  # nobody listens yet, or it is too busy to answer
    finally:
        connection.close()
