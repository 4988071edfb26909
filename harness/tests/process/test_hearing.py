"""An arm's stream from both ends: the order that is kept, and every way to break it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.errors import Forged
from harness.process import frames
from harness.process.frames import TO_ARM, TO_SUPERVISOR, Unpacker, packed
from harness.process.hearing import Hearing

KEY = bytes(range(frames.KEY))


class Arm:
    """The arm's end with the key in its hands: it can say anything."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self.stream = hearing.theirs
        self.key = self.stream.recv(frames.KEY)
        self._number = 0
        self._heard = Unpacker(self.key, TO_ARM)
        self._history = hashlib.sha256()

    def say(self, kind: str, **rest: Any) -> None:
        data = packed(self.key, TO_SUPERVISOR, self._number, {"kind": kind, **rest})
        self._number += 1
        self._history.update(data)
        self.stream.sendall(data)
        self._hearing.read()

    def asked(self) -> dict[str, Any]:
        (message,) = self._heard.feed(self.stream.recv(1 << 16))
        return dict(message)

    def answer(self, data: Any, **other: Any) -> None:
        self.say("answer", **{"nonce": self.asked().get("nonce"), "data": data, **other})

    def end(self, **last: Any) -> None:
        self.say("end", **{"digest": self._history.hexdigest(), "result": {}, **last})


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    with Hearing([{"n": 1}, {"n": 2}]) as one:
        yield one


@pytest.fixture
def arm(hearing: Hearing) -> Arm:
    return Arm(hearing)


def test_an_honest_arm_is_heard_out(hearing: Hearing, arm: Arm) -> None:
    arm.say("told", name="attestation", data=1)
    arm.say("ready")
    assert hearing.heard().answers == ()
    arm.answer("one")
    arm.say("told", name="attestation", data=2)
    arm.answer("two")
    assert arm.asked() == {"kind": "over"}
    arm.end(result={"points": 2})
    heard = hearing.heard()
    assert (heard.answers, heard.told, heard.problem) == (("one", "two"), {"attestation": 2}, None)
    assert heard.last and heard.last["result"] == {"points": 2}


def test_a_question_is_not_known_before_its_turn(hearing: Hearing, arm: Arm) -> None:
    arm.stream.setblocking(False)
    with pytest.raises(BlockingIOError):
        arm.stream.recv(1)
    arm.say("ready")
    first = arm.asked()
    assert first["question"] == {"n": 1}
    with pytest.raises(BlockingIOError):
        arm.stream.recv(1)
    arm.say("answer", nonce=first["nonce"], data=None)
    assert arm.asked()["nonce"] != first["nonce"]


def _twice(arm: Arm) -> None:
    arm.say("ready")
    nonce = arm.asked()["nonce"]
    arm.say("answer", nonce=nonce, data=1)
    arm.say("answer", nonce=nonce, data=1)


def _after_the_last(arm: Arm) -> None:
    arm.say("ready")
    arm.answer(1)
    arm.answer(2)
    arm.answer(3)


def _replayed(arm: Arm) -> None:
    data = packed(arm.key, TO_SUPERVISOR, 0, {"kind": "told", "name": "n", "data": 1})
    arm.stream.sendall(data + data)


def _reflected(arm: Arm) -> None:
    arm.say("ready")
    arm.stream.sendall(arm.stream.recv(1 << 16))


def _both(*steps: Callable[[Arm], None]) -> Callable[[Arm], None]:
    def all_of_them(arm: Arm) -> None:
        for step in steps:
            step(arm)

    return all_of_them


def _ready(arm: Arm) -> None:
    arm.say("ready")


BREACHES: dict[str, tuple[Callable[[Arm], None], str]] = {
    "unasked": (lambda arm: arm.say("answer", nonce="", data=1), "was not asked"),
    "another nonce": (_both(_ready, lambda arm: arm.answer(1, nonce="0" * 32)), "not to"),
    "no nonce": (_both(_ready, lambda arm: arm.answer(1, nonce=None)), "not to"),
    "twice": (_twice, "answer 2 is not to what was asked"),
    "after the last": (_after_the_last, "was not asked"),
    "ready twice": (_both(_ready, _ready), "began twice"),
    "replayed": (_replayed, "recorder did not send"),
    "sent back": (_reflected, "recorder did not send"),
    "bare text": (lambda arm: arm.stream.sendall(b"\0\0\0\x02" + b"x" * 34), "recorder did not send"),
    "another key": (
        lambda arm: arm.stream.sendall(packed(b"k" * 32, TO_SUPERVISOR, 0, {"kind": "ready"})),
        "recorder did not send",
    ),
    "endless": (lambda arm: arm.stream.sendall(b"\xff" * 40), "a message of 4294967295 bytes"),
    "no kind": (lambda arm: arm.stream.sendall(packed(arm.key, TO_SUPERVISOR, 0, {})), "without its kind"),
    "unknown kind": (lambda arm: arm.say("verdict\n"), r"unknown kind verdict\n"),
    "after the end": (_both(Arm.end, lambda arm: arm.say("told", name="n", data=1)), "after the end"),
    "ended twice": (_both(Arm.end, Arm.end), "after the end"),
    "half after the end": (_both(Arm.end, lambda arm: arm.stream.sendall(b"\0\0")), "after the end"),
    "another digest": (lambda arm: arm.end(digest="0" * 64), "is not what was heard"),
    "altered": (lambda arm: arm.say("ready", altered=["json.dumps"]), "altered json.dumps"),
    "called by others": (lambda arm: arm.end(strange=["/tree/x.py"]), "called by /tree/x.py"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_forged_or_broken(name: str, hearing: Hearing, arm: Arm) -> None:
    breach, told = BREACHES[name]
    breach(arm)
    heard = hearing.heard()
    assert heard.problem and heard.problem.startswith("forged or broken: ") and told in heard.problem
    assert hearing.is_over


def test_an_arm_that_was_killed_over_a_message_is_no_forger(hearing: Hearing, arm: Arm) -> None:
    arm.say("ready")
    arm.answer("one")
    arm.stream.sendall(packed(arm.key, TO_SUPERVISOR, 2, {"kind": "told"})[:-3])
    arm.stream.close()
    heard = hearing.heard()
    assert (heard.answers, heard.last, heard.problem) == (("one",), None, None)


def test_an_arm_that_hears_nothing_holds_up_nobody(hearing: Hearing) -> None:
    with Hearing([{"text": "x" * (1 << 24)}]) as long:
        arm = Arm(long)
        arm.say("ready")
        assert "does not listen" in (long.heard().problem or "")


def test_numbers_that_are_none_come_through_and_names_given_twice_do_not() -> None:
    unpacker = Unpacker(KEY, TO_SUPERVISOR)
    data = packed(KEY, TO_SUPERVISOR, 0, {"kind": "told", "data": [float("nan"), float("inf")]})
    assert list(unpacker.feed(data[:20])) == []
    (whole,) = unpacker.feed(data[20:])
    assert str(whole["data"]) == "[nan, inf]"
    body = b'{"kind": "told", "kind": "end"}'
    frame = len(body).to_bytes(4, "big") + frames.tag(KEY, TO_SUPERVISOR, 1, body) + body
    with pytest.raises(Forged, match="is given twice"):
        list(unpacker.feed(frame))
