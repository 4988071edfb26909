"""What a case gets to work with: the oracle's notebook, as seen from a reproducer."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import FactsError
from harness.facts import DeclaredKind
from harness.host import topology
from harness.host.stand_ins import StandIn
from harness.memory.oracle import Oracle
from harness.observation import Fault
from harness.observation.normalise import message as normalised
from harness.tiers.upstream import upstream


@dataclass(frozen=True)
class Lab:
    """One point of one case on one arm.

    `folder` is a scratch folder of the arm's own, `root` that of the package under test.
    """

    folder: Path
    root: Path
    oracle: Oracle
    entered: Callable[[str], None]
    notes: list[str] = field(default_factory=list)

    @property
    def device(self) -> str:
        """Where upstream is to have its tensors: `cpu`, or torch's word for this machine's accelerator."""
        return self.oracle.device

    def given(self, name: str, tensor: Any) -> Any:
        """A tensor of the case's own for the code under test, on `device`, watched under this name there.

        On the CPU every argument of a kernel is watched as it is.
        """
        return self.oracle.placed(tensor, name)

    def stand_in(self, name: str, **known: Any) -> StandIn:
        """An object that knows only these attributes, for what upstream reads its facts from."""
        return StandIn(name, **known)

    def upstream(self, name: str, *, in_module: str = "") -> Any:
        """Upstream's function or class of this qualified name, wherever this release has its module."""
        return upstream(self.root, name, in_module)

    def single_rank(self) -> None:
        """Set up upstream's parallel groups for one process."""
        topology.single_rank(self.folder)

    def configuration(self, **fields: Any) -> AbstractContextManager[Any]:
        """Publish upstream's configuration, in releases that ask for it; yields its ServerArgs or None."""
        return topology.configured(**fields)

    def undivided(self) -> AbstractContextManager[Any]:
        """State that no request's context is divided among ranks, in releases that ask for it."""
        return topology.undivided()

    @contextmanager
    def environment(self, **variables: str) -> Iterator[None]:
        """Set environment variables that upstream reads, for as long as the block runs."""
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})

    @contextmanager
    def observe(self, phase: str) -> Iterator[None]:
        """Watch memory while the block runs code under test; the trace notes the phase."""
        self.oracle.mark(phase=phase)
        with self.oracle.watching(self.root, self.entered):
            yield

    def require(self, buffer: str, tensor: Any, needed: int) -> None:
        """Report `short-buffer` where a buffer has fewer elements than its use needs."""
        numel = int(tensor.numel())
        self.oracle.mark(buffer=buffer, numel=numel, needed=needed)
        if numel < needed:
            self.oracle.violations.add(Fault(kind="short-buffer", buffer=buffer, numel=numel, needed=needed))

    def report(self, kind: DeclaredKind, buffer: str, *, count: int, numel: int, message: str = "") -> None:
        """Report a fault of a declared kind; FactsError for any other, and for a count out of range."""
        if not isinstance(kind, DeclaredKind):
            raise FactsError(f"lab.report: {kind!r} is no DeclaredKind: what Refault knows, it finds itself")
        if not 1 <= count <= numel:
            wrong = f"{count} of {numel} elements of {buffer}"
            raise FactsError(f"lab.report: {wrong}: report what is wrong alone")
        told = normalised(message) or None
        self.oracle.violations.add(Fault(kind=kind, buffer=buffer, count=count, numel=numel, message=told))

    def note(self, text: str) -> None:
        """Something a person should know about this point; never part of the verdict."""
        self.notes.append(text)
