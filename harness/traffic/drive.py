"""Puts a traffic on a server and records every answer; notices when nothing comes any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import httpx
import openai

from harness.errors import Unresolved
from harness.facts import Traffic
from harness.process.patience import Patience
from harness.traffic import completions, native
from harness.traffic.answers import Answer
from harness.traffic.prompts import Request, requests
from harness.traffic.streamed_answer import StreamedAnswer

PATIENCE = 60.0
"""Seconds without a sign of life after which a server is said to hang: see harness.process.patience."""
_LOOK_EVERY, _LOOK_FOR_PROCESSES_EVERY = 0.1, 1.0
_FLUSH_TRIES, _FLUSH_EVERY = 100, 0.1


class Reachable(Protocol):
    """Where a server is, what opens it and what it runs: `harness.serving.Server`, or anything like it."""

    @property
    def url(self) -> str: ...
    @property
    def key(self) -> str: ...
    def processes(self) -> tuple[tuple[str, int], ...]:
        """(role, pid) of everything of this server that runs now."""


@dataclass(frozen=True, kw_only=True)
class Driven:
    """All answers of one traffic: a tuple for each round, and those that were asked for alone.

    `moments` is when each of them was over, in seconds of time.monotonic().
    """

    rounds: tuple[tuple[Answer, ...], ...]
    alone: tuple[Answer, ...] = ()
    moments: tuple[float, ...] = field(default=(), compare=False)

    @property
    def last(self) -> tuple[Answer, ...]:
        """What is compared; the rounds before it are churn."""
        return self.rounds[-1]

    @property
    def all(self) -> tuple[Answer, ...]:
        return (*(answer for one in self.rounds for answer in one), *self.alone)

    @property
    def batched(self) -> tuple[Answer, ...]:
        """The last round's answers to the requests of `alone`, in its order."""
        by_index = {answer.rid.rpartition("-")[2]: answer for answer in self.last}
        return tuple(by_index[answer.rid.rpartition("-")[2]] for answer in self.alone)

    @property
    def is_over(self) -> bool:
        """Whether the server stopped answering, so that what was left was not asked."""
        return any(answer.trouble in ("lost", "hang") for answer in self.all)


def vocabulary(model: Path) -> dict[str, int]:
    """The id of each word, from a model's tokenizer.json (one word a token, as harness.models makes it)."""
    words: dict[str, int] = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"][
        "vocab"
    ]
    return words


def drive(
    traffic: Traffic,
    server: Reachable,
    words: Mapping[str, int],
    patience: float = PATIENCE,
    *,
    rests: bool = False,
) -> Driven:
    """All rounds of `traffic`, then its requests that are asked alone, each after a flush of the cache.

    With `rests` the server is then left alone until it was idle, and so has looked for leaks.

    Stops after the round in which the server was lost or hung. Raises Unresolved where the cache cannot be
    flushed between requests.
    """
    return asyncio.run(_drive(traffic, server, words, patience, rests))


def send(
    asked: Sequence[Request],
    server: Reachable,
    words: Mapping[str, int],
    concurrency: int = 1,
    patience: float = PATIENCE,
) -> tuple[Answer, ...]:
    """Any requests, in their order, `concurrency` at a time."""

    async def go() -> tuple[Answer, ...]:
        async with _Client(server, words) as client:
            return await _send_all(asked, client, concurrency, patience)

    return asyncio.run(go())


async def _drive(
    traffic: Traffic, server: Reachable, words: Mapping[str, int], patience: float, rests: bool
) -> Driven:
    async with _Client(server, words) as client:
        rounds: list[tuple[Answer, ...]] = []
        for index in range(traffic.rounds):
            asked = requests(traffic, len(words), f"r{index}")
            rounds.append(await _send_all(asked, client, traffic.concurrency, patience))
            if Driven(rounds=tuple(rounds)).is_over:
                return Driven(rounds=tuple(rounds), moments=tuple(client.moments))
        alone = await _alone(traffic, client, patience)
        if rests and not Driven(rounds=tuple(rounds), alone=alone).is_over:
            await client.rest(patience)
        return Driven(rounds=tuple(rounds), alone=alone, moments=tuple(client.moments))


async def _alone(traffic: Traffic, client: _Client, patience: float) -> tuple[Answer, ...]:
    whole = [one for one in requests(traffic, len(client.words), "alone") if one.abort_after is None]
    answers: list[Answer] = []
    for request in whole[: traffic.alone]:
        await client.flush()
        answers += await _send_all([request], client, 1, patience)
        if answers[-1].trouble in ("lost", "hang"):
            break
    return tuple(answers)


async def _send_all(
    asked: Sequence[Request], client: _Client, concurrency: int, patience: float
) -> tuple[Answer, ...]:
    """One round. Each request leaves only when the one before it was sent: they leave in one order always."""
    watch, slots = _Watch(patience, client.server), asyncio.Semaphore(concurrency)
    in_flight = [StreamedAnswer(request) for request in asked]

    async def ask(streamed: StreamedAnswer, sent: asyncio.Event) -> None:
        try:
            await client.ask(streamed, sent, watch.moved)
        finally:
            slots.release()
            sent.set()
            watch.moved()

    async def go() -> None:
        async with asyncio.TaskGroup() as tasks:
            for streamed in in_flight:
                await slots.acquire()
                sent = asyncio.Event()
                tasks.create_task(ask(streamed, sent))
                await sent.wait()

    if not await watch.over(go()):
        for streamed in in_flight:
            if streamed.finish is None and streamed.trouble is None:
                streamed.fail("hang", f"no token for {patience:g} s")
    return tuple(streamed.answer() for streamed in in_flight)


class _Watch:
    """Ends the work when nothing has moved for too long, not counting how long a processor was waited for.

    That may have been the server, or the client, which then could not hear what the server had sent.
    """

    def __init__(self, patience: float, server: Reachable) -> None:
        self._patience, self._server = Patience(patience), server
        self._pids: tuple[int, ...] = ()
        self._looked = float("-inf")

    def moved(self) -> None:
        self._patience.answered()

    async def over(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the work came to its end."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=_LOOK_EVERY)
            if self._patience.is_over(self._processes()) and not task.done():
                task.cancel()
                await asyncio.wait([task])
                return False
        await task
        return True

    def _processes(self) -> tuple[int, ...]:
        """Our own process and the server's, as of a moment ago: to look for them reads all of /proc."""
        now = time.monotonic()
        if now - self._looked > _LOOK_FOR_PROCESSES_EVERY:
            self._pids = (os.getpid(), *(pid for _, pid in self._server.processes()))
            self._looked = now
        return self._pids


class _Client:
    """Both clients on one server."""

    def __init__(self, server: Reachable, words: Mapping[str, int]) -> None:
        self.server, self.words = server, words
        self.moments: list[float] = []

    async def __aenter__(self) -> _Client:
        self._native = native.session(self.server.url, self.server.key)
        self._openai: openai.AsyncOpenAI | None = None
        self._model = asyncio.Lock()
        self._name: str | None = None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._native.close()
        if self._openai is not None:
            await self._openai.close()

    async def ask(self, streamed: StreamedAnswer, sent: asyncio.Event, moved: Callable[[], None]) -> None:
        try:
            if streamed.request.endpoint == "native":
                await native.generate(self._native, streamed, sent, moved)
            else:
                await self._complete(streamed, sent, moved)
        except (aiohttp.ClientError, httpx.TransportError, OSError) as error:
            streamed.fail("lost", type(error).__name__)
        except ValueError as error:
            streamed.fail("failed", f"not understood: {error}")
        if streamed.finish is None and not streamed.given_up:
            streamed.fail("lost", "the answer broke off")
        self.moments.append(time.monotonic())

    async def _complete(
        self, streamed: StreamedAnswer, sent: asyncio.Event, moved: Callable[[], None]
    ) -> None:
        self._openai = self._openai or completions.client(self.server.url, self.server.key)
        try:
            async with self._model:
                self._name = self._name or await completions.model_name(self._openai)
        except openai.APIConnectionError as error:
            return streamed.fail("lost", type(error.__cause__ or error).__name__)
        await completions.complete(self._openai, self._name, self.words, streamed, sent, moved)

    async def rest(self, patience: float) -> None:
        """Wait until the scheduler was idle once: between two questions it has looked what it may have lost.

        A server that ends meanwhile says why itself.
        """
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await _Watch(patience, self.server).over(self._ask_twice())

    async def _ask_twice(self) -> None:
        await native.state(self._native)
        await native.state(self._native)

    async def flush(self) -> None:
        """Upstream refuses while anything runs, and goes on for a moment after an abort."""
        for _ in range(_FLUSH_TRIES):
            if await native.flush(self._native):
                return
            await asyncio.sleep(_FLUSH_EVERY)
        raise Unresolved("the server's cache cannot be flushed: something still runs in it")
