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

    `of` is the type of an exception, and `says` a part of its message. They tell a bug that is itself a
    NameError or the like from a broken revert.
    """

    kind: str
    buffer: str | None = None
    kernel: str | None = None
    only: Bites | None = None
    of: str | None = None
    says: str | None = None

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
        if self.only is None:
            return True
        if callable(self.only):
            return bool(self.only(params))
        return all(params[name] in values for name, values in self.only.items())


def faults(
    kind: str,
    *,
    buffer: str | None = None,
    kernel: str | None = None,
    only: Bites | None = None,
    of: str | None = None,
    says: str | None = None,
) -> ExpectedFault:
    return ExpectedFault(kind=kind, buffer=buffer, kernel=kernel, only=only, of=of, says=says)


@dataclass(frozen=True, kw_only=True)
class Expect:
    """What the reverted arm shows; `codegen` and `server` hold for these tiers, where they show something
    else.

    `device` holds for a server on an accelerator, where a stray access ends the process that the CPU's
    oracle lets go on; `device_kernel` for the kernel tier's case there, where it shows something else.
    """

    reverted: ExpectedFault
    codegen: ExpectedFault | None = None
    server: ExpectedFault | None = None
    device: ExpectedFault | None = None
    device_kernel: ExpectedFault | None = None

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
