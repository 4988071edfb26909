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
        self._say, self._hear = _ends(stream, look, often)
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
        self._say({"kind": "end", "strange": _strangers(), **last})


def _ends(stream: socket.socket, look: Look, often: frozenset[str]) -> tuple[Say, Hear]:
    """How to say something, and to hear something."""
    key = _exactly(stream, frames.KEY)
    heard = frames.Unpacker(key, frames.TO_ARM)
    packed, way, getpid, lock = frames.packed, frames.TO_SUPERVISOR, os.getpid, threading.RLock()
    owner, is_sending = getpid(), False
    waiting = deque[dict[str, Any]]()
    # Of the message that was packed last: the next one's number, its bytes, the history with it, how many
    # bytes went out at a time, and whether it is the end. It changes in one step, since a signal's handler
    # may raise between any two.
    packet: tuple[int, bytes, Any, list[int], bool] = (0, b"", hashlib.sha256(), [], False)

    def pack(message: dict[str, Any]) -> None:
        nonlocal packet
        number, _, before, _, _ = packet
        is_last = message["kind"] == "end"
        said = {"digest": before.hexdigest()} if is_last else {}
        data = packed(key, way, number, {**message, **said})
        # Last, since what was altered may have had a part in the packing.
        if altered := look(message.get("name") in often):
            data = packed(key, way, number, {**message, **said, "altered": altered})
        history = before.copy()
        history.update(data)
        packet = (number + 1, data, history, [], is_last)

    def send() -> None:
        while True:
            _, data, _, gone, is_last = packet
            if rest := memoryview(data)[sum(gone) :]:
                gone.extend(map(stream.send, (rest,)))
            elif waiting and not is_last:
                pack(waiting.popleft())
            else:
                return

    def say(message: dict[str, Any]) -> None:
        nonlocal is_sending
        # A fork has no word in this, and must not wait for a lock that a thread held when it was made.
        if getpid() != owner:
            return
        waiting.append(message)
        with lock:
            # A signal's handler may say something while this thread is saying something else: one message
            # within another is none, so the outer call sends what the inner one leaves.
            if is_sending:
                return
            is_sending = True
            try:
                send()
            finally:
                is_sending = False

    def hear() -> dict[str, Any] | None:
        while needed := heard.missing:
            if not (data := stream.recv(needed)):
                return None
            for message in heard.feed(data):
                return dict(message)
        return None

    return say, hear


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
