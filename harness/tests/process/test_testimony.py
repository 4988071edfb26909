"""What an arm says comes whole and in order, whatever interrupts it while it speaks."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from harness.process import testimony
from harness.process.hearing import Hearing

LARGE = "x" * (4 << 20)
"""More than a socket takes at once."""


@pytest.fixture
def hearing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hearing]:
    monkeypatch.setattr(testimony, "_strangers", list)  # pytest calls, which no arm has above it
    with Hearing([]) as one:
        yield one


class Interrupting:
    """Does something the first time that it is asked what was altered: in the middle of a message."""

    def __init__(self) -> None:
        self.todo: list[Callable[[], object]] = []

    def __call__(self, hurried: bool = False) -> list[str]:
        while self.todo:
            self.todo.pop()()
        return []


def test_what_is_said_within_a_message_comes_behind_it(hearing: Hearing) -> None:
    look = Interrupting()
    arm = testimony.Testimony(hearing.theirs, look)
    look.todo.append(lambda: arm.tell("inner", 2))
    arm.tell("outer", 1)
    arm.end()
    heard = hearing.heard()
    assert (list(heard.told.items()), heard.problem) == ([("outer", 1), ("inner", 2)], None)
    assert heard.last is not None


def test_nothing_is_said_behind_the_end_even_from_within_it(hearing: Hearing) -> None:
    look = Interrupting()
    arm = testimony.Testimony(hearing.theirs, look)
    look.todo.append(lambda: arm.tell("late", 1))
    arm.end()
    arm.tell("later", 2)
    heard = hearing.heard()
    assert (heard.told, heard.problem) == ({}, None) and heard.last is not None


def test_one_that_fails_takes_no_other_with_it(hearing: Hearing) -> None:
    look = Interrupting()
    arm = testimony.Testimony(hearing.theirs, look)
    arm.tell("first", 1)
    look.todo.append(lambda: exec("raise SystemExit"))
    with pytest.raises(SystemExit):
        arm.tell("lost", 2)
    with pytest.raises(TypeError):
        arm.tell("no JSON", object())
    arm.tell("third", 3)
    arm.end()
    heard = hearing.heard()
    assert (heard.told, heard.problem) == ({"first": 1, "third": 3}, None)


def test_a_signal_that_raises_while_the_socket_is_full_leaves_the_rest_for_the_next(
    hearing: Hearing,
) -> None:
    arm = testimony.Testimony(hearing.theirs, lambda _=False: [])

    def raises(number: int, frame: FrameType | None) -> None:
        raise InterruptedError("a handler that does not return")

    before = signal.signal(signal.SIGUSR1, raises)
    try:
        alarm = threading.Timer(0.2, signal.pthread_kill, (threading.get_ident(), signal.SIGUSR1))
        alarm.start()
        with pytest.raises(InterruptedError):
            arm.tell("large", LARGE)  # nobody reads: it waits
        alarm.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    reader = threading.Thread(target=_read, args=(hearing, threading.current_thread()))
    reader.start()
    arm.tell("next", 1)
    arm.end()
    hearing.theirs.shutdown(socket.SHUT_WR)
    reader.join(30)
    heard = hearing.heard()
    assert (heard.told["large"] == LARGE, heard.told["next"], heard.problem) == (True, 1, None)


def _read(hearing: Hearing, speaker: threading.Thread) -> None:
    while not hearing.is_over and speaker.is_alive():
        hearing.read()


def test_threads_that_speak_at_once_are_heard_one_after_another(hearing: Hearing) -> None:
    arm = testimony.Testimony(hearing.theirs, lambda _=False: [])
    said = [threading.Thread(target=arm.tell, args=(f"name {number}", number)) for number in range(40)]
    for one in said:
        one.start()
    for one in said:
        one.join()
    arm.end()
    heard = hearing.heard()
    assert heard.problem is None and heard.told == {f"name {number}": number for number in range(40)}
