"""When nothing is lent: each reason is told, and the pool starts its own."""

import dataclasses
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.process import packets
from harness.process.descendants import descendants, look_up
from harness.process.job import Environment
from harness.process.pool import Pool
from harness.process.warm import lender as lender_module
from harness.process.warm import request as request_module
from harness.process.warm.lender import Lender
from harness.process.warm.place import Peer, Place
from harness.process.warm.request import Answer
from harness.tests.process.warm import client
from harness.tests.process.warm.conftest import Warm, job, pool_of, start


def _runs_alone(lender: Lender, environment: Environment, folder: Path) -> None:
    """A pool that is lent nothing, and runs its arm all the same."""
    with pool_of(lender) as pool:
        ended = pool.submit(job("returns", folder / "arm", environment)).result(timeout=30)
        assert ended.exit.how == "clean"
        assert pool._lent == []


def _told(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> str:
    (told,) = {record.getMessage() for record in caplog.records if record.levelno == level}
    assert told.startswith("what `refault warm` holds is not used: ")
    return told.partition("used: ")[2]


# --- what does not fit -----------------------------------------------------------------------


def test_where_none_is_nobody_is_warned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _runs_alone(Lender(tmp_path / "warm"), Environment(), tmp_path)
    assert _told(caplog, logging.INFO) == "there is none"


def test_another_variable(
    warm: Warm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog) == "it was started with another variable OMP_NUM_THREADS"


def test_another_checkout_or_version(
    warm: Warm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.__version__", "9.9")
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog) == "it was started with another Refault"


def test_a_kind_that_it_does_not_hold(warm: Warm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    other = dataclasses.replace(warm.environments["branch"], arm_only=frozenset({"m_arm", "m_other"}))
    _runs_alone(warm.lender, other, warm.folder)
    assert _told(caplog, logging.INFO) == "it holds nothing for arms of this kind"


def test_other_lists(warm: Warm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    branch = warm.environments["branch"]
    _runs_alone(warm.lender, dataclasses.replace(branch, preload=("json",)), warm.folder)
    assert _told(caplog, logging.INFO) == "arms have learned more to import"
    assert warm.process.poll() is None


# --- what became old -------------------------------------------------------------------------


def test_a_file_that_changed(warm: Warm, caplog: pytest.LogCaptureFixture) -> None:
    module = warm.folder / "modules" / "m_shared.py"
    module.write_text("MODE = 'new'")
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog) == f"{module} is not what it was: it starts anew"
    assert warm.line() == f"ended: {module} is not what it was"


def test_a_base_that_learned_more(warm: Warm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (warm.folder / "learned-by-base").write_text("fractions", encoding="utf-8")
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog, logging.INFO) == "arms have learned more to import"
    assert warm.line() == "ended: arms have learned more to import"


def test_one_of_its_processes_that_died(warm: Warm) -> None:
    (one, *_) = descendants(warm.process.pid)
    os.kill(one.pid, signal.SIGKILL)
    assert "is not what it was" in warm.line()  # nobody had to ask


def test_nobody_who_asks(begin: Callable[..., Warm]) -> None:
    warm = begin(idle=0.5)
    below = descendants(warm.process.pid)
    assert len(below) == 3
    assert warm.line() == "ended: None"
    warm.process.wait()
    _until(lambda: not any((now := look_up(one.pid)) and not now.ended for one in below))
    assert not (warm.folder / "warm" / "socket").exists()


# --- what breaks the conversation ------------------------------------------------------------


@contextmanager
def _impostor(folder: Path, act: Callable[[socket.socket], object]) -> Iterator[Place]:
    """Something at the socket that does not know what to say."""
    place = Place(folder / "warm")
    place.take()
    with place.listen() as listening:
        listening.setblocking(True)

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                act(link)

        thread = threading.Thread(target=serve)
        thread.start()
        yield place
        thread.join()
    place.leave()


def _answers(*messages: bytes) -> Callable[[socket.socket], object]:
    def act(link: socket.socket) -> None:
        packets.receive(link)
        for message in messages:
            link.send(message)

    return act


def _keeps_nothing(link: socket.socket) -> None:
    """Agrees, and forks nothing."""
    received = packets.receive(link)
    assert received
    message, descriptors = received
    packets.close(descriptors)
    digest = request_module.Request.from_json(message).surroundings.digest
    packets.send(link, Answer(lent=digest).to_json())


IMPOSTORS: dict[str, tuple[Callable[[socket.socket], object], str]] = {
    "ends at once": (lambda link: None, "it ended before it had answered"),
    "ends unasked": (_answers(), "it ended before it had answered"),
    "says nonsense": (_answers(b"nonsense"), "Expecting value"),
    "says no object": (_answers(b"[1]"), "a message is an object"),
    "is older": (_answers(b'{"warm": 0}'), "it is of another version of Refault"),
    "compares nothing": (
        _answers(json.dumps(Answer(lent="x").to_json()).encode()),
        "it did not compare what this process compares",
    ),
    "forks nothing": (_keeps_nothing, "it did not fork"),
}


@pytest.mark.parametrize("name", IMPOSTORS)
def test_what_says_something_else(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    act, why = IMPOSTORS[name]
    with _impostor(tmp_path, act) as place:
        _runs_alone(Lender(place.folder), Environment(), tmp_path)
    assert why in _told(caplog)


@pytest.mark.parametrize("whom", ["the holder", "what it holds"])
def test_one_that_hangs(warm: Warm, whom: str, caplog: pytest.LogCaptureFixture) -> None:
    below = [one.pid for one in descendants(warm.process.pid)]
    stopped = [warm.process.pid] if whom == "the holder" else below
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    lender = Lender(warm.folder / "warm", patience=0.5)
    _runs_alone(lender, warm.environments["branch"], warm.folder)
    assert _told(caplog) == "it did not answer within 0.5 s"
    assert lender.lend(warm.environments["plain"]) is None  # asked no more
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    # What it forks late finds nobody there, and goes.
    time.sleep(0.2)
    _until(lambda: {one.pid for one in descendants(warm.process.pid) if not one.ended} == set(below))


def test_another_user(warm: Warm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lender_module, "peer", lambda link: Peer(1, os.getuid() + 1))
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog) == "it is another user's"


def test_a_folder_that_others_can_enter(warm: Warm, caplog: pytest.LogCaptureFixture) -> None:
    (warm.folder / "warm").chmod(0o755)
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog).endswith("warm is not a folder of yours alone")


def test_one_that_died(warm: Warm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    warm.end()
    _runs_alone(warm.lender, warm.environments["branch"], warm.folder)
    assert _told(caplog, logging.INFO) == "there is none"
    assert not (warm.folder / "warm" / "socket").exists()


# --- what others send ------------------------------------------------------------------------


def _said(warm: Warm, data: bytes, descriptors: Sequence[int] = ()) -> dict[str, Any]:
    link = Place(warm.folder / "warm").connect()
    assert link
    with link:
        link.settimeout(5)
        socket.send_fds(link, [data], list(descriptors))
        answered = packets.receive(link)
    assert answered
    return answered[0]


@pytest.mark.parametrize(
    "data", [b"nonsense", b"[]", b"{}", b'{"warm": 1}', b'{"warm": 1, "surroundings": {}, "environment": 1}']
)
def test_what_is_no_request_is_refused_and_harms_nobody(warm: Warm, data: bytes) -> None:
    before = len(os.listdir(f"/proc/{warm.process.pid}/fd"))
    with open(os.devnull) as file:
        assert "it was not understood" in _said(warm, data, [file.fileno()] * 3)["declined"]
    _until(lambda: len(os.listdir(f"/proc/{warm.process.pid}/fd")) == before)
    with pool_of(warm.lender) as pool:
        assert _run(pool, warm) == "clean"
        assert len(pool._lent) == 1


def test_what_is_forked_for_somebody_who_has_gone_ends_at_once(warm: Warm) -> None:
    before = {one.pid for one in descendants(warm.process.pid)}
    for number in range(3):
        borrower = start(client.__name__, str(warm.folder), "asks and goes")
        borrower.wait(timeout=30)
        assert borrower.returncode == -signal.SIGKILL, number
    _until(lambda: {one.pid for one in descendants(warm.process.pid)} == before)
    assert list(warm.folder.glob("refault-*")) == []


def test_somebody_silent_keeps_nobody_waiting(warm: Warm) -> None:
    silent = Place(warm.folder / "warm").connect()
    assert silent
    with silent, pool_of(warm.lender) as pool:
        assert _run(pool, warm) == "clean"
        assert len(pool._lent) == 1
        silent.settimeout(10)
        assert silent.recv(1) == b""  # it was sent away


def _run(pool: Pool, warm: Warm) -> str:
    return pool.submit(job("returns", warm.folder / "arm", warm.environments["branch"])).result(30).exit.how


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
