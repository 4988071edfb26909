"""Answers pools that ask for a fork server, one after another, for as long as what is held is right."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from harness.process import packets
from harness.process.job import Environment
from harness.process.warm.loaded import Loaded
from harness.process.warm.peers import refused
from harness.process.warm.place import peer
from harness.process.warm.request import Answer, Request, lists
from harness.process.warm.stock import Held, Stock
from harness.process.warm.surroundings import Surroundings

Environments = Callable[[], Mapping[str, Environment]]
"""What is to be held, by name, as it stands in the lists of what was learned by now."""
_LOOK_EVERY = 5.0
"""Seconds after which it is looked at what is to be held, where nobody asks."""
_PATIENCE = 2.0
"""Seconds for which somebody who comes and says nothing is waited for."""
_LEARNED = "arms have learned more to import"
_GIVEN = 3
"""Descriptors that come with a request."""


class Holder:
    """One stock, and the socket to which pools come. `own` are this process's own files.

    What each pool was answered goes to `tell`.
    """

    def __init__(
        self,
        stock: Stock,
        wanted: Environments,
        surroundings: Surroundings,
        own: Loaded,
        tell: Callable[[str], None],
    ) -> None:
        self._stock, self._wanted, self._surroundings, self._own = stock, wanted, surroundings, own
        self._tell = tell
        self._waiting: dict[int, tuple[socket.socket, float]] = {}
        self._stale: str | None = None
        self._asked = time.monotonic()

    def serve(self, listening: socket.socket, idle: float) -> str | None:
        """Until it must start anew, which is why; None once nobody has asked for `idle` seconds."""
        poll = select.poll()
        poll.register(listening, select.POLLIN)
        try:
            while self._stale is None:
                left = self._asked + idle - time.monotonic()
                if left < 0:
                    return None
                self._turn(poll, listening, min(left, _PATIENCE if self._waiting else _LOOK_EVERY))
        finally:
            for link, _ in self._waiting.values():
                link.close()
        return self._stale

    def _turn(self, poll: select.poll, listening: socket.socket, seconds: float) -> None:
        ready = [descriptor for descriptor, _ in poll.poll(seconds * 1000 + 1)]
        for descriptor in ready:
            if descriptor == listening.fileno():
                self._accept(poll, listening)
            else:
                with self._taken(poll, descriptor) as link:
                    self._answer(link)
        now = time.monotonic()
        for silent in [one for one, (_, until) in self._waiting.items() if until < now]:
            self._taken(poll, silent).close()
        if not ready:
            self._is_outgrown()
            self._notice(self._stock.ended())

    def _taken(self, poll: select.poll, descriptor: int) -> socket.socket:
        """One that waits no longer."""
        poll.unregister(descriptor)
        return self._waiting.pop(descriptor)[0]

    def _accept(self, poll: select.poll, listening: socket.socket) -> None:
        with suppress(OSError):  # whoever came has gone again
            link, _ = listening.accept()
            link.settimeout(_PATIENCE)
            if peer(link).user != os.getuid():
                link.close()
                return
            self._waiting[link.fileno()] = link, time.monotonic() + _PATIENCE
            poll.register(link, select.POLLIN)

    def _answer(self, link: socket.socket) -> None:
        with suppress(OSError):  # whoever asked has gone, and starts its own
            try:
                packet = packets.receive(link)
            except ValueError as error:
                self._send(link, Answer(declined=f"it was not understood ({error})"))
                return
            if packet is None:
                return
            message, descriptors = packet
            try:
                why = refused(peer(link).pid)
                answer = Answer(declined=why) if why else self._consider(message, descriptors)
                self._send(link, answer)
            finally:
                packets.close(descriptors)

    def _send(self, link: socket.socket, answer: Answer) -> None:
        self._tell(f"process {peer(link).pid}: {answer.declined or 'lent a fork server'}")
        packets.send(link, answer.to_json())

    def _consider(self, message: Mapping[str, object], descriptors: list[int]) -> Answer:
        self._asked = time.monotonic()
        # First: what is not understood may be what newer code says.
        if self._notice(self._own.changed()):
            return Answer(declined=f"{self._stale}: it starts anew")
        try:
            request = Request.from_json(message)
            if len(descriptors) != _GIVEN:
                raise ValueError(f"{len(descriptors)} descriptors came with it")
        except ValueError as error:
            return Answer(declined=f"it was not understood ({error})")
        if difference := self._surroundings.difference(request.surroundings):
            return Answer(declined=f"it was started with {difference}")
        held = self._stock.of(request.environment)
        if held is None:
            return Answer(declined="it holds nothing for arms of this kind", is_usual=True)
        return self._lend(request, held, descriptors)

    def _lend(self, request: Request, held: Held, descriptors: list[int]) -> Answer:
        wanted = {one.key: one for one in self._wanted().values()}[request.environment]
        if request.lists != lists(wanted) or not _goes_on(wanted, held.environment):
            self._is_outgrown()
            return Answer(declined=_LEARNED, is_usual=True)
        if self._notice(self._stock.changed(held)):
            return Answer(declined=f"{self._stale}: it starts anew")
        given = {"scratch": request.scratch, "variables": dict(request.variables)}
        if not held.fork_server.tell({"lend": given}, descriptors):
            self._notice(held.fork_server.name)
            return Answer(declined=f"{self._stale}: it starts anew")
        return Answer(lent=self._surroundings.digest)

    def _is_outgrown(self) -> bool:
        outgrown = self._wanted() != self._stock.environments
        if outgrown:
            self._stale = _LEARNED
        return outgrown

    def _notice(self, changed: str | None) -> bool:
        """Whether something has changed, so that it must start anew."""
        if changed:
            self._stale = f"{changed} is not what it was"
        return changed is not None


def _goes_on(wanted: Environment, held: Environment) -> bool:
    """Whether what is held is where the imports that are wanted begin: a fork comes to the rest in order."""
    return wanted.base == held.base and wanted.preload[: len(held.preload)] == held.preload
