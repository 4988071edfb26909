"""What an arm says comes whole and in order, whoever speaks in the midst of it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from harness.process import frames, testimony

KEY = frames.new_key()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(KEY)
        ours.settimeout(10)
        yield ours, theirs


def heard(stream: socket.socket, count: int) -> list[frames.Message]:
    """So many messages, each proven to be the next one."""
    unpacker, found = frames.Unpacker(KEY, frames.TO_SUPERVISOR), list[frames.Message]()
    while len(found) < count:
        found += unpacker.feed(stream.recv(1 << 16))
    return found


def test_what_is_said_in_the_midst_of_a_message_comes_behind_it(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """As a signal's handler does, which runs between any two steps of the thread that speaks."""
    said: list[str] = []

    def look(often: bool) -> list[str]:
        if not said:
            said.append("second")
            spoken.tell("second", 2)
        return []

    spoken = testimony.Testimony(ends[0], look)
    spoken.tell("first", 1)
    spoken.tell("third", 3)
    spoken.end()
    told = heard(ends[1], 4)
    assert [one.get("name") for one in told] == ["first", "second", "third", None]
    assert told[-1]["kind"] == "end" and len(told[-1]["digest"]) == 64


def test_what_comes_after_the_end_is_not_said(ends: tuple[socket.socket, socket.socket]) -> None:
    spoken = testimony.Testimony(ends[0], lambda often: [])
    spoken.end()
    spoken.tell("late", 1)
    ends[0].close()
    (last,) = heard(ends[1], 1)
    assert last["kind"] == "end" and ends[1].recv(1) == b""


def test_signals_and_threads_spoil_no_message(ends: tuple[socket.socket, socket.socket]) -> None:
    spoken, count = testimony.Testimony(ends[0], lambda often: []), 300
    found: list[frames.Message] = []
    hearer = threading.Thread(target=lambda: found.extend(heard(ends[1], 2 * count + 20)))
    hearer.start()
    before = signal.signal(signal.SIGALRM, lambda *_: spoken.tell("signal", 0))

    def speak() -> None:
        for _ in range(count):
            spoken.tell("thread", "x" * 5000)

    speaker = threading.Thread(target=speak)
    try:
        speaker.start()
        for number in range(count):
            spoken.tell("main", "y" * 5000)
            if number % 15 == 0:
                signal.raise_signal(signal.SIGALRM)
        speaker.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    hearer.join(timeout=30)
    names = [one["name"] for one in found]
    assert (names.count("main"), names.count("thread"), names.count("signal")) == (count, count, 20)
