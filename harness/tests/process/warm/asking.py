"""What an arm does that wants a process which nobody holds to anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.process import packets
from harness.process.warm.place import Place
from harness.process.warm.request import VERSION


def asks(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Sends the request that its pool would send; the answer."""
    link = Place(Path(payload["place"])).connect()
    assert link is not None
    ours, theirs = packets.pair()
    scratch = str(folder / "scratch")
    link.settimeout(10)
    with link, ours, theirs:
        descriptors = [theirs.fileno(), os.pidfd_open(os.getpid()), 2]
        packets.send(link, {"warm": VERSION, **payload["request"], "scratch": scratch}, descriptors)
        answered = packets.receive(link)
    assert answered is not None
    return answered[0]
