"""What a server's processes are heard to say, and who is not heard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from harness.errors import Forged
from harness.serving.reports import Receiver, Told

ABOVE = str(Path(next(iter(harness.__path__))).parent)
HEAD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from harness.process import alterations
from harness.process.testimony import Testimony
from harness.serving import reports
def begin():
    return Testimony(reports.connect(sys.argv[2]), alterations.watched())
"""
HONEST = """
one = begin()
one.tell("role", "server")
one.tell("attestation", {"n": 1})
one.tell("event", {"text": "x" * 300000})
one.tell("attestation", {"n": 2})
one.tell("role", "scheduler")
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as one:
        yield one


def run(receiver: Receiver, body: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HEAD + body, ABOVE, receiver.name]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_last_word_counts_of_role_and_attestation_and_every_line(receiver: Receiver) -> None:
    for _ in range(2):
        assert run(receiver, HONEST).returncode == 0
    told = receiver.told()
    assert [(one.role, one.attestation) for one in told] == [("scheduler", {"n": 2})] * 2
    assert {name: len(lines[0]["text"]) for name, lines in receiver.events().items()} == {
        one.name: 300000 for one in told
    }


def test_what_was_said_before_a_crash_is_heard(receiver: Receiver) -> None:
    done = run(receiver, 'one = begin(); one.tell("role", "server"); os.kill(os.getpid(), 9)')
    assert done.returncode == -9 and [one.role for one in receiver.told()] == ["server"]


def test_a_fork_has_a_voice_of_its_own_or_none(receiver: Receiver) -> None:
    body = """
one = begin(); one.tell("role", "server")
for voice in (lambda: one, begin):
    if (child := os.fork()) == 0:
        voice().tell("role", "child")
        os._exit(0)
    os.waitpid(child, 0)
one.tell("event", {})
"""
    assert run(receiver, body).returncode == 0
    assert sorted((one.role, len(one.lines["event"])) for one in receiver.told()) == [
        ("child", 0),
        ("server", 1),
    ]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('one = begin(); one.tell("role", "server"); begin()', "began to tell twice"),
        ('begin().tell("verdict", "PASS")', "told something that it was not asked"),
        (
            'import json; o = begin(); d = json.dumps; json.dumps = lambda v: d(v); o.tell("role", "x")',
            "json.d",
        ),
        ('s = reports.connect(sys.argv[2]); s.recv(32); s.sendall(b"x" * 40)', "forged or broken: "),
    ],
)
def test_what_no_process_says_is_forged(body: str, told: str, receiver: Receiver) -> None:
    run(receiver, body)
    with pytest.raises(Forged, match=told):
        receiver.told()


def test_who_is_not_below_has_no_say(receiver: Receiver) -> None:
    """An orphan whose parents are gone: nobody knows whose it is."""
    body = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while os.getppid() != int(sys.argv[3]):
            pass
        try:
            begin().tell("role", "stranger")
        finally:
            os.write(1, b"over")
            os._exit(0)
    os._exit(0)
os.wait()
"""
    command = [sys.executable, "-c", HEAD + body, ABOVE, receiver.name, str(_adopter())]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    assert done.stdout == b"over" and receiver.told() == ()


def _adopter() -> int:
    """Who adopts an orphan of this process."""
    # The parent's number is asked for before the fork: the child may be an orphan before it first asks.
    program = """
import os, time
above = os.getpid()
if os.fork() == 0:
    while os.getppid() == above:
        time.sleep(0.01)
    print(os.getppid())
"""
    command = [sys.executable, "-c", program]
    adopter = int(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)
    if adopter in (os.getpid(), os.getppid()):
        pytest.skip("orphans of this process come to it, or to its parent")
    return adopter


def test_a_process_is_named_by_role_and_pid() -> None:
    assert Told(7, "scheduler TP0").name == "scheduler TP0.7"
