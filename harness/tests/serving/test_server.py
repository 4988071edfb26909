"""The life of a server: ready, dead, hanging, disturbed from outside; and nothing is left of it."""

from __future__ import annotations

import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import Unresolved
from harness.facts import Traffic
from harness.process import usage
from harness.serving import family, ports
from harness.serving.ending import Ending
from harness.serving.launch import Command
from harness.serving.segments import FOLDER
from harness.serving.server import Server
from harness.tests.serving.conftest import Start
from harness.traffic.answers import Answer, faults
from harness.traffic.drive import drive, send
from harness.traffic.prompts import Request

WORDS = {f"t{index}": index for index in range(64)}
LONG = Traffic(requests=3, prompt_tokens=(4, 9), output_tokens=400, concurrency=3, stream="some")


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does: no file, process or segment stays. The folder is short, for sockets."""
    with tempfile.TemporaryDirectory(prefix="rf-") as short:
        monkeypatch.setenv("TMPDIR", short)
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TOY_SEGMENT", Path(short).name)
        yield
        assert os.listdir(short) == []
        assert {name for name in _segments() if name.startswith(f"psm_{Path(short).name}")} == set()


def _segments() -> set[str]:
    return set(os.listdir(FOLDER)) if FOLDER.is_dir() else set()


def is_gone(server: Server, ending: Ending) -> bool:
    """Nothing of it runs, listens or is left."""
    assert ending.survivors == () and ending.occupied == ()
    return family.of(server.pid) == [] and server.ports.occupied() == ()


def test_a_server_is_ready_answers_and_ends(toy: Start) -> None:
    with toy() as server:
        assert server.wait_ready(20) is None
        assert {role for role, _ in server.processes()} == {"server", "scheduler"}
        (answer,) = send([Request(rid="a", prompt_ids=(5, 6), output_tokens=4)], server, WORDS)
        assert answer.is_whole
        ending = server.stop()
    assert ending.exit.how == "stopped"
    assert ending.is_clean
    assert is_gone(server, ending)
    assert server.stop() is ending


def test_readiness_is_seen_within_a_third_of_a_second(toy: Start, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with toy("--slow", "0.7", "--note", str(note)) as server:
        assert server.wait_ready(20) is None
        # The toy leaves the note at the moment from which it says that it is up.
        assert time.time() - note.stat().st_mtime < 0.3


def test_the_key_is_asked_for(toy: Start) -> None:
    with toy() as server:
        assert server.wait_ready(20) is None
        server.key, key = "another", server.key
        (answer,) = send([Request(rid="a", prompt_ids=(5, 6), output_tokens=4)], server, WORDS)
        assert (answer.trouble, answer.status) == ("rejected", 401)
        server.key = key


@pytest.mark.parametrize(
    ("how", "exit_", "kind", "words"),
    [
        ("die", "exception", "exception", "ValueError in forward: toy size 3 does not match 4"),
        (
            "die-quietly",
            "exception",
            "crash",
            "ended by itself with code 3; last line: the last thing it says",
        ),
        ("segfault", "crash", "crash", "SIGSEGV"),
    ],
)
def test_a_server_that_dies_while_starting_is_told_at_once(
    toy: Start, how: str, exit_: str, kind: str, words: str
) -> None:
    began = time.monotonic()
    with toy("--misbehave", how) as server:
        ending = server.wait_ready(30)
    assert time.monotonic() - began < 10
    assert ending is not None
    assert ending.exit.how == exit_
    (fault,) = ending.faults
    assert fault.kind == kind and words in str(fault.message)
    assert is_gone(server, ending)


def test_a_server_that_never_gets_ready_hangs(toy: Start) -> None:
    with toy("--misbehave", "never-ready") as server:
        ending = server.wait_ready(1.5)
    assert ending is not None
    assert [fault.signature for fault in ending.faults] == ["hang in server (not ready within 1.5 s)"]
    assert is_gone(server, ending)


def test_a_server_without_a_processor_has_its_time_still(toy: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    with toy("--slow", "2") as server:
        monkeypatch.setattr(usage, "run_delay", lambda pid: time.monotonic() if pid == server.pid else 0.0)
        assert server.wait_ready(0.5) is None


def test_an_orphan_that_ignores_sigterm_is_found_and_ended(toy: Start) -> None:
    with toy("--misbehave", "orphan") as server:
        assert server.wait_ready(20) is None
        orphans = [one for one in family.of(server.pid) if "toy-orphan" in family.command_line(one.pid)]
        assert orphans and all(one.parent != server.pid for one in orphans)
        ending = server.stop()
    assert not any(map(family.is_alive, orphans))
    assert is_gone(server, ending)


def test_only_its_own_processes_are_signalled(toy: Start) -> None:
    with toy() as server, Server(server.command, server.folder / "other") as other:
        assert server.wait_ready(20) is None and other.wait_ready(20) is None
        assert set(server.ports.all).isdisjoint(other.ports.all)
        server.stop()
        (answer,) = send([Request(rid="a", prompt_ids=(5, 6), output_tokens=4)], other, WORDS)
        assert answer.is_whole


def test_its_segments_and_temporary_files_are_removed(toy: Start) -> None:
    with toy("--misbehave", "segment", grace=0.2) as server:
        assert server.wait_ready(20) is None
        ending = server.stop()
    assert len(ending.segments) == 1
    assert not (FOLDER / ending.segments[0]).exists()


def test_a_scheduler_killed_in_mid_request_is_a_crash(toy: Start) -> None:
    with toy("--delay", "0.02") as server:
        assert server.wait_ready(20) is None
        answers = _disturbed(server, signal.SIGKILL)
        assert {answer.trouble for answer in answers} == {"lost"}
        assert server.wait_end(5)
        ending = server.stop()
    assert [(one.kind, one.process, one.message) for one in ending.faults] == [
        ("crash", "scheduler", "crashed with exit code -9")
    ]
    assert ending.unresolved is None and is_gone(server, ending)


def test_a_scheduler_that_upstream_does_not_miss_is_a_crash_too(toy: Start) -> None:
    with toy("--delay", "0.02", "--misbehave", "no-watchdog") as server:
        assert server.wait_ready(20) is None
        answers = _disturbed(server, signal.SIGKILL)
        assert {answer.trouble for answer in answers} == {"hang"}
        assert server.lost() == ("scheduler",)
        ending = server.stop(faults(answers, 1.0))
    assert [fault.signature for fault in ending.faults] == ["crash in scheduler (ended while in service)"]
    assert is_gone(server, ending)


def test_a_stopped_scheduler_is_a_hang(toy: Start) -> None:
    with toy("--delay", "0.02") as server:
        assert server.wait_ready(20) is None
        answers = _disturbed(server, signal.SIGSTOP)
        assert {answer.trouble for answer in answers} == {"hang"}
        assert any(answer.tokens for answer in answers)
        assert server.stopped() == ("scheduler",)
        ending = server.stop(faults(answers, 1.0))
    assert [fault.signature for fault in ending.faults] == ["hang (no token for 1 s)"]
    assert is_gone(server, ending)


def _disturbed(server: Server, number: int) -> tuple[Answer, ...]:
    """The answers of a traffic during which the scheduler gets a signal."""
    send([Request(rid="warm", prompt_ids=(5,), output_tokens=1)], server, WORDS)
    (scheduler,) = [pid for role, pid in server.processes() if role == "scheduler"]
    pid = os.fork()
    if pid == 0:
        time.sleep(0.6)
        os.kill(scheduler, number)
        os._exit(0)
    try:
        return drive(LONG, server, WORDS, patience=1.0).all
    finally:
        os.waitpid(pid, 0)


def test_an_occupied_derived_port_is_unresolved(toy: Start) -> None:
    at = ports.reserve()
    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        intruder.bind(("127.0.0.1", at.nccl))
        intruder.listen()
        with toy(at=at) as server:
            ending = server.wait_ready(20)
    assert ending is not None and ending.faults == ()
    assert ending.occupied == (at.nccl,)
    assert "the server could not run" in str(ending.unresolved)
    assert "address already in use" in str(ending.unresolved)


def test_a_full_disk_is_unresolved(toy: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with toy("--misbehave", "chatter") as server:
            ending = server.wait_ready(20) or server.stop()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "the log is not whole" in str(ending.unresolved)
    assert is_gone(server, ending)


def test_a_malformed_request_is_rejected_and_harms_nothing(toy: Start) -> None:
    with toy() as server:
        assert server.wait_ready(20) is None
        bad = Request(rid="bad", prompt_ids=(99,), output_tokens=2)
        none = Request(rid="none", prompt_ids=(), output_tokens=2, endpoint="openai")
        good = Request(rid="good", prompt_ids=(5,), output_tokens=2)
        answers = send([bad, none, good], server, WORDS)
        assert [(one.trouble, one.status) for one in answers] == [
            ("rejected", 400), ("rejected", 400), (None, 200)
        ]  # fmt: skip
        assert answers[0].error == "Token id is out of vocabulary"
        assert server.stop().is_clean


def test_a_program_that_is_not_there_is_unresolved(tmp_path: Path) -> None:
    command = Command(program=("/nowhere/python",), arguments=())
    with pytest.raises(Unresolved, match="cannot be started"), Server(command, tmp_path):
        pass


def test_a_folder_too_long_for_sockets_is_unresolved(
    toy: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(Unresolved, match="set TMPDIR to a shorter one"), toy():
        pass
    assert os.listdir(deep) == []


def test_leaving_the_context_by_an_exception_ends_the_server(toy: Start) -> None:
    server = toy()
    with pytest.raises(KeyboardInterrupt), server:
        assert server.wait_ready(20) is None
        raise KeyboardInterrupt
    assert is_gone(server, server.stop())
