"""Traffic on the toy: both endpoints, streams, aborts, rounds, requests asked alone."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from harness.errors import Unresolved
from harness.facts import Traffic
from harness.process import usage
from harness.serving.server import Server
from harness.tests.serving import toy_server
from harness.tests.serving.conftest import command
from harness.traffic import native
from harness.traffic.answers import compare
from harness.traffic.drive import _Client, _Watch, drive, send, vocabulary
from harness.traffic.prompts import Request, requests
from harness.traffic.streamed_answer import StreamedAnswer

WORDS = {f"t{index}": index for index in range(toy_server.VOCABULARY)}
MIXED = Traffic(
    requests=10,
    prompt_tokens=(5, 20),
    output_tokens=8,
    concurrency=4,
    rounds=2,
    shared_prefix=4,
    stream="some",
    endpoint="both",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(command(), tmp_path_factory.mktemp("toy")) as one:
        assert one.wait_ready(20) is None
        yield one


def test_every_way_of_asking_gets_the_same_answer(server: Server) -> None:
    driven = drive(MIXED, server, WORDS)
    assert len(driven.rounds) == 2 and not driven.is_over
    assert len(driven.moments) == len(driven.all) and list(driven.moments) == sorted(driven.moments)
    for asked, answer in zip(requests(MIXED, len(WORDS), "r1"), driven.last, strict=True):
        due = toy_server.answer(list(asked.prompt_ids), asked.output_tokens or 0)
        assert list(zip(answer.tokens, answer.logprobs, strict=True)) == due
        assert answer.rid == asked.rid and answer.is_whole and answer.status == 200
    assert compare(*driven.rounds, atol=0.0).is_equal


def test_without_log_probabilities_tokens_come_from_the_text(server: Server) -> None:
    driven = drive(replace(MIXED, logprobs=False, rounds=1), server, WORDS)
    for answer in driven.last:
        assert [token for token, _ in toy_server.answer(list(answer.prompt_ids), 8)] == list(answer.tokens)


def test_a_request_leaves_once_the_one_before_it_was_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In which order a server then looks at two connections is its own affair."""
    left: list[tuple[str, bool]] = []
    before: list[asyncio.Event] = []
    ask = _Client.ask

    async def noted(
        client: _Client, streamed: StreamedAnswer, sent: asyncio.Event, moved: Callable[[], None]
    ) -> None:
        left.append((streamed.request.rid, all(event.is_set() for event in before)))
        before.append(sent)
        await ask(client, streamed, sent, moved)

    monkeypatch.setattr(_Client, "ask", noted)
    driven = drive(replace(MIXED, requests=30, concurrency=8, rounds=1), server, WORDS)
    assert left == [(answer.rid, True) for answer in driven.last]


def test_requests_are_given_up_in_mid_answer_on_both_endpoints(server: Server) -> None:
    before = len(server.tail())
    traffic = replace(MIXED, output_tokens=400, requests=4, aborts=3, seed=1, rounds=1)
    driven = drive(traffic, server, WORDS)
    given_up = [answer for answer in driven.last if answer.given_up]
    assert len(given_up) == 3 and {answer.finish for answer in given_up} == {"abort"}
    assert all(0 < len(answer.tokens) < 400 and answer.trouble is None for answer in given_up)
    # The server was told, too: by a request on the one endpoint, by a closed connection on the other.
    send([Request(rid="after", prompt_ids=(5,), output_tokens=30)], server, WORDS)
    told = set(re.findall(r"gave up (\S+)", server.tail()[before:]))
    assert told == {answer.rid for answer in given_up}


def test_requests_asked_alone_answer_as_in_the_batch(server: Server) -> None:
    before = len(server.tail())
    driven = drive(replace(MIXED, aborts=2, alone=3, rounds=1), server, WORDS)
    assert len(driven.alone) == 3
    assert compare(driven.alone, driven.batched, atol=0.0).is_equal
    assert server.tail()[before:].count("flushed") >= 3


def test_a_server_that_rests_is_asked_twice_behind_the_last_answer(server: Server) -> None:
    before = len(server.tail())
    drive(replace(MIXED, rounds=1, aborts=0), server, WORDS)
    assert "told its state" not in server.tail()[before:]
    drive(replace(MIXED, rounds=1, aborts=0), server, WORDS, rests=True)
    assert server.tail()[before:].count("told its state") == 2


def test_a_server_that_ends_instead_of_resting_is_left_to_tell_why(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(client: object) -> None:
        raise aiohttp.ServerDisconnectedError

    monkeypatch.setattr(native, "state", gone)
    assert not drive(replace(MIXED, rounds=1, aborts=0), server, WORDS, rests=True).is_over


def test_a_cache_that_cannot_be_flushed_is_unresolved(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(client: object) -> bool:
        return False

    monkeypatch.setattr(native, "flush", refuse)
    monkeypatch.setattr("harness.traffic.drive._FLUSH_TRIES", 2)
    with pytest.raises(Unresolved, match="cannot be flushed"):
        drive(replace(MIXED, alone=1, rounds=1), server, WORDS)


@pytest.mark.parametrize("endpoint", ["native", "openai"])
def test_a_server_that_is_not_there_is_lost(endpoint: str, tmp_path: Path) -> None:
    absent = Server(command(), tmp_path)
    with absent:
        absent.stop()
    driven = drive(replace(MIXED, endpoint=endpoint, rounds=3), absent, WORDS, patience=5)
    assert {answer.trouble for answer in driven.all} == {"lost"}
    assert len(driven.rounds) == 1, "what is left is not asked"


@pytest.mark.parametrize(("waits", "ends"), [("server", True), ("client", True), ("nobody", False)])
def test_what_waits_for_a_processor_is_not_silent(
    waits: str, ends: bool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has had no processor ever since; work of half a second is given a fifth of one."""
    pids = {"server": max(pid for _, pid in server.processes()), "client": os.getpid(), "nobody": 0}
    monkeypatch.setattr(usage, "run_delay", lambda pid: time.monotonic() if pid == pids[waits] else 0.0)
    assert asyncio.run(_Watch(0.2, server).over(asyncio.sleep(0.5))) is ends


def test_a_word_that_is_no_token_is_a_failure(server: Server) -> None:
    asked = Request(rid="a", prompt_ids=(5,), output_tokens=2, endpoint="openai")
    (answer,) = send([asked], server, {"other": 3})
    assert answer.trouble == "failed" and "is no token" in str(answer.error)


def test_a_vocabulary_is_read_from_the_models_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": {"vocab": {"<pad>": 0, "t1": 1}}}')
    assert vocabulary(tmp_path) == {"<pad>": 0, "t1": 1}
