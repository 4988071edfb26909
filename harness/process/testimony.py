"""What an arm says to the pool: each thing once, in order, and only what it was asked.

It is made before the arm imports the code under test. What it needs later is held in closures from then on:
nothing which that code puts in place of a name has a part in it.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
from harness.errors import Unresolved
from harness.process import frames

Say = Callable[[dict[str, Any]], None]
Hear = Callable[[], "dict[str, Any] | None"]
Look = Callable[..., "list[str]"]
"""What was altered in the process since it was first looked at."""

_OURS = f"{Path(next(iter(harness.__path__)))}{os.sep}"


class Testimony:
    """The arm's end. `stream` has the key as its first bytes; `look` says what has been altered.

    What is told under the names in `often` is looked at in a hurry.
    """

    def __init__(self, stream: socket.socket, look: Look, often: frozenset[str] = frozenset()) -> None:
        self._say, self._hear, self._finish = _ends(stream, look, often)
        self._nonce = ""

    def questions(self) -> Iterator[Any]:
        """What the pool wants to know, one at a time; the next one only comes after `answer`."""
        self._say({"kind": "ready"})
        while (heard := self._hear()) and "nonce" in heard:
            self._nonce = heard["nonce"]
            yield heard["question"]

    def answer(self, data: Any) -> None:
        """Answer the question that was asked last."""
        strange = _strangers()
        self._say({"kind": "answer", "nonce": self._nonce, "data": data, "strange": strange})

    def tell(self, name: str, data: Any) -> None:
        """Say something unasked; of what is told under one name, the last word counts.

        Nothing comes of it in a fork of the arm, and after its end.
        """
        self._say({"kind": "told", "name": name, "data": data})

    def end(self, **last: Any) -> None:
        """Say the last things, and how much was said before; nothing can be said afterwards."""
        self._finish({"kind": "end", "strange": _strangers(), **last})


def _ends(stream: socket.socket, look: Look, often: frozenset[str]) -> tuple[Say, Hear, Say]:
    """How to say something, to hear something, and to say the last thing."""
    key = _exactly(stream, frames.KEY)
    heard = frames.Unpacker(key, frames.TO_ARM)
    packed, way, getpid, lock = frames.packed, frames.TO_SUPERVISOR, os.getpid, threading.RLock()
    owner, history, numbers = getpid(), hashlib.sha256(), iter(range(1 << 62))
    is_over, is_sending, waiting = list[bool](), list[bool](), deque[Callable[[], dict[str, Any]]]()

    def send(message: dict[str, Any]) -> None:
        number = next(numbers)
        data = packed(key, way, number, message)
        # Last, since what was altered may have had a part in the packing.
        if altered := look(message.get("name") in often):
            data = packed(key, way, number, {**message, "altered": altered})
        history.update(data)
        stream.sendall(data)

    def send_all() -> None:
        """What waits, in order. A signal's handler that speaks in the midst of a message only adds to it."""
        if is_sending:
            return
        is_sending.append(True)
        try:
            while waiting:
                send(waiting.popleft()())
        finally:
            is_sending.clear()

    def later(make: Callable[[], dict[str, Any]]) -> None:
        # A fork has no word in this, and must not wait for a lock that a thread held when it was made.
        if getpid() == owner:
            with lock:
                if not is_over:
                    waiting.append(make)
                    send_all()

    def say(message: dict[str, Any]) -> None:
        later(lambda: message)

    def hear() -> dict[str, Any] | None:
        while needed := heard.missing:
            if not (data := stream.recv(needed)):
                return None
            for message in heard.feed(data):
                return dict(message)
        return None

    def finish(message: dict[str, Any]) -> None:
        with lock:
            later(lambda: {**message, "digest": history.hexdigest()})
            is_over.append(True)

    return say, hear, finish


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := stream.recv(size - len(data))):
            raise Unresolved("the pool was gone before the arm began")
        data += more
    return data


def _strangers() -> list[str]:
    """Files beside the harness's own whose code is calling now, if there is any."""
    found, frame = [], sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_OURS) and name != "<string>":  # what the fork server was started with
            found.append(name)
        frame = frame.f_back  # type: ignore[assignment]
    return found
