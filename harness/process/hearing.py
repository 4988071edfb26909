"""The pool's side of an arm's stream: asks for one point after another, and holds the arm to the order.

What an arm said counts only as far as it was said here. The key and the next nonce are in this process alone
until they are sent: code that runs in the arm can answer nothing that has not been asked yet.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness import foreign
from harness.errors import Forged
from harness.process import frames
from harness.process.frames import Message

_AT_ONCE = 1 << 20
_MOST = 1 << 30
"""Bytes that an arm may say in all."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What an arm said, and `problem`: why none of it counts, if so.

    `answers` are those to the questions, in their order; `told` is the last word under each name; `last` is
    the closing message, None where there was none.
    """

    answers: tuple[Any, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] | None = None
    problem: str | None = None


class Hearing:
    """One arm's, a context manager. `theirs` is the end for the arm."""

    def __init__(self, questions: Sequence[Any]) -> None:
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ours.setblocking(False)
        self._key = frames.new_key()
        self._unpacker = frames.Unpacker(self._key, frames.TO_SUPERVISOR)
        self._questions = list(questions)
        self._asked, self._nonce = 0, ""
        self._size = 0
        self._answers: list[Any] = []
        self._told: dict[str, Any] = {}
        self._last: Mapping[str, Any] | None = None
        self._is_over = False
        self.problem: str | None = None
        self._ours.sendall(self._key)

    def fileno(self) -> int:
        """For poll."""
        return self._ours.fileno()

    @property
    def is_over(self) -> bool:
        """Whether nothing can come any more, or nothing that comes can count."""
        return self._is_over or self.problem is not None

    @property
    def answered(self) -> int:
        """How many questions it has answered."""
        return len(self._answers)

    def read(self) -> None:
        """Take what is there, without waiting; sets `problem` where an honest arm would not have said it."""
        try:
            while not self.is_over and (data := self._received()):
                self._take(data)
        except Forged as problem:
            self.problem = str(problem)

    def heard(self) -> Heard:
        """All of it, once the arm's processes are gone."""
        self.read()
        # One without an end may have been killed over its last message.
        if self._last is not None and not self.problem and not self._unpacker.is_between:
            self.problem = str(Forged("something was said after the end"))
        return Heard(answers=tuple(self._answers), told=self._told, last=self._last, problem=self.problem)

    def __enter__(self) -> Hearing:
        return self

    def __exit__(self, *raised: object) -> None:
        self._ours.close()
        self.theirs.close()

    def _received(self) -> bytes:
        try:
            data = self._ours.recv(_AT_ONCE)
        except BlockingIOError:
            return b""
        except ConnectionResetError:  # the arm left without having heard everything
            data = b""
        self._is_over = not data
        self._size += len(data)
        if self._size > _MOST:
            raise Forged(f"more than {_MOST} bytes")
        return data

    def _take(self, data: bytes) -> None:
        for message in self._unpacker.feed(data):
            if self._last is not None:
                raise Forged("something was said after the end")
            hold_unaltered(message)
            self._by_kind(message)

    def _by_kind(self, message: Message) -> None:
        match message["kind"]:
            case "told":
                self._told[str(message.get("name"))] = message.get("data")
            case "ready":
                self._begin()
            case "answer":
                self._answered(message)
            case "end":
                self._ended(message)
            case other:
                raise Forged(f"a message of the unknown kind {foreign.shown(other, 40)}")

    def _begin(self) -> None:
        if self._asked:
            raise Forged("the arm began twice")
        self._ask()

    def _ask(self) -> None:
        self._nonce = secrets.token_hex(16) if self._asked < len(self._questions) else ""
        message: dict[str, Any] = {"kind": "over"}
        if self._nonce:
            question = self._questions[self._asked]
            message = {"kind": "ask", "nonce": self._nonce, "question": question}
        self._send(frames.packed(self._key, frames.TO_ARM, self._asked, message))
        self._asked += 1

    def _send(self, data: bytes) -> None:
        try:
            sent = self._ours.send(data)
        except (BrokenPipeError, ConnectionResetError):  # it is told by how the arm ended
            return
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            raise Forged("the arm does not listen")

    def _answered(self, message: Message) -> None:
        place = f"answer {len(self._answers) + 1}"
        if not self._nonce:
            raise Forged(f"{place} to a question that was not asked ({len(self._questions)} in all)")
        if message.get("nonce") != self._nonce:
            raise Forged(f"{place} is not to what was asked")
        self._answers.append(message.get("data"))
        self._ask()

    def _ended(self, message: Message) -> None:
        if message.get("digest") != self._unpacker.before:
            raise Forged("what the arm says that it said is not what was heard")
        self._last = message


def hold_unaltered(message: Message) -> None:
    """Raises Forged where the arm's recorder itself saw what does not belong there."""
    if altered := message.get("altered"):
        raise Forged(f"the code under test altered {_listed(altered)}")
    if strange := message.get("strange"):
        raise Forged(f"the recorder was called by {_listed(strange)}")


def _listed(names: Any) -> str:
    return foreign.shown(", ".join(sorted(map(str, names))[:3]) if isinstance(names, list) else names)
