"""The shape of the bug: what the reverted arm shows, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.facts.checks import Params, require
from harness.facts.kinds import FaultKind, check_kind
from harness.facts.place import CPU, Platform, Tier

Bites = Mapping[str, Sequence[Any]] | Callable[[Params], bool]


@dataclass(frozen=True, kw_only=True)
class ExpectedFault:
    """The shape of the bug: what the reverted arm shows, and at which points only.

    At the default point a fault must fit in all that is named here; at the others any fault that the case
    watches counts. Raises FactsError for a kind that there is not.
    """

    kind: str
    """A word of `FaultKind`, or a `DeclaredKind` itself. The case must watch it."""
    buffer: str | None = None
    """The buffer's name: an argument's or a variable's, or an output's where `reference` found it."""
    kernel: str | None = None
    """The Triton kernel that did it, by its name."""
    only: Bites | None = None
    """The points at which the bug shows, the default one among them; every point where it is left out. Either
    a mapping from parameters to the values at which it does, all of which must hold (`{"page_size": [16,
    64]}`), or a function of the point's parameters, given as one mapping, that says whether it does. At every
    other point the reverted arm must be clean, or the verdict is CHANGED."""
    varies: Bites | None = None
    """The points, said as `only` says them, at which the bug leads to other faults on other releases: there
    one is due on every tree, and the golden's faults and outputs bind on its own tree alone. Never the
    default point."""
    of: str | None = None
    """The type of an `exception`, such as `KeyError`: it tells a bug that is itself a NameError or the like
    from a broken revert."""
    says: str | None = None
    """A part of that exception's message."""

    def __post_init__(self) -> None:
        check_kind(self.kind, "expect.kind")
        only_exceptions = self.kind == FaultKind.EXCEPTION or not (self.of or self.says)
        require(only_exceptions, "expect.of", f"a fault of kind {self.kind} has no type and no message")
        named = self.of is None or self.of.isidentifier()
        require(named, "expect.of", f"{self.of!r} is no name of an exception, such as 'KeyError'")
        require(self.of or not self.says, "expect.says", "needs of=, the type of the exception")

    def declares(self, kind: str, message: str) -> bool:
        """Whether this very exception, by the name of its type and its message, is declared as the bug."""
        return self.of == kind and (self.says or "") in message

    def bites_at(self, params: Params) -> bool:
        """Whether the bug can show at this point of the parameter space."""
        return self.only is None or _holds(self.only, params)

    def varies_at(self, params: Params) -> bool:
        """Whether it depends on the release what the bug leads to at this point."""
        return self.varies is not None and _holds(self.varies, params)


def _holds(at: Bites, params: Params) -> bool:
    if callable(at):
        return bool(at(params))
    return all(params[name] in values for name, values in at.items())


def faults(
    kind: str,
    *,
    buffer: str | None = None,
    kernel: str | None = None,
    only: Bites | None = None,
    varies: Bites | None = None,
    of: str | None = None,
    says: str | None = None,
) -> ExpectedFault:
    """An `ExpectedFault`, as `Expect` takes it: `faults("oob-write", buffer="kv_indices")`."""
    return ExpectedFault(kind=kind, buffer=buffer, kernel=kernel, only=only, varies=varies, of=of, says=says)


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What the reverted arm shows, wherever it runs; and what it shows where that is something else."""

    reverted: ExpectedFault
    """Everywhere but where one of the others is given."""
    codegen: ExpectedFault | None = None
    """In the codegen tier: `faults("signature")`."""
    server: ExpectedFault | None = None
    """In the server tier."""
    device: ExpectedFault | None = None
    """Of a server on an accelerator, where a stray access ends the process that the CPU's oracle lets go
    on."""
    device_kernel: ExpectedFault | None = None
    """Of the kernel tier's case on an accelerator."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The fault kinds that are expected somewhere."""
        others = (self.codegen, self.server, self.device, self.device_kernel)
        return tuple(one.kind for one in (self.reverted, *others) if one)

    def at(self, tier: Tier, platform: Platform = CPU) -> Expect:
        """The expectation in one tier, where the case runs."""
        other = {
            Tier.CODEGEN: self.codegen,
            Tier.KERNEL: self.device_kernel if platform.host.has_devices else None,
            Tier.SERVER: (platform.host.has_devices and self.device) or self.server,
        }[tier]
        return Expect(reverted=other) if other else self
