"""The error tree: what went wrong, worded for the person who has to act on it."""

from __future__ import annotations

from collections.abc import Sequence


class RefaultError(Exception):
    """Anything Refault itself raises. The message is one line and names the remedy."""


class BadInput(RefaultError):
    """The user asked for something that cannot be done (exit code 2)."""


class FactsError(BadInput):
    """A reproducer contradicts itself; raised when it is constructed."""


class GoldenError(BadInput):
    """A golden cannot be read, or belongs to something else."""


class BadWheel(BadInput):
    """A file is no wheel of the package, or is damaged."""


class StaleRevert(RefaultError):
    """No form of a revert matches the tree exactly once."""

    def __init__(self, looked_for: str, candidates: Sequence[str] = ()) -> None:
        near = f"; nearest: {', '.join(candidates)}" if candidates else ""
        super().__init__(f"{looked_for}{near}")
        self.looked_for = looked_for
        self.candidates = tuple(candidates)


class FixAbsent(StaleRevert):
    """No form of the fix is in the tree: for each, something that it consists of is not there at all."""


class Unresolved(RefaultError):
    """The machinery failed, so nothing can be said about the code under test."""


class Unsupported(Unresolved):
    """The code uses something that the emulator does not implement, so that nothing can be said of what it
    does; the message names it."""


class Forged(Unresolved):
    """What an arm said is not what an honest one says; the message begins with `forged or broken`."""

    def __init__(self, what: str) -> None:
        super().__init__(f"forged or broken: {what}")


class Runaway(RefaultError):
    """A kernel accessed only memory outside its arguments, and was stopped: it might never have ended."""


class CaptureError(RefaultError, RuntimeError):
    """What a device says where `what` is asked for while a stream is captured, in the words of CUDA's errors.

    It is a RuntimeError too, as torch's own is, so that code under test meets it as it would meet that.
    """

    def __init__(self, what: str, words: str = "operation not permitted when stream is capturing") -> None:
        super().__init__(f"{words}: {what}")


class CaptureSpoiled(CaptureError):
    """A capture in which `what` was refused, and that was ended all the same."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "operation failed due to a previous error during capture")


class DeviceGone(RefaultError):
    """A device refused what `kernel` did, in the driver's words `what`: this process can use it no more."""

    def __init__(self, what: str, kernel: str | None) -> None:
        super().__init__(f"{what} in {kernel}" if kernel else what)
        self.what = what
        self.kernel = kernel


class StandInMisused(Unresolved, AttributeError):
    """Upstream used a stand-in where it has no meaning.

    It is an AttributeError too, so that upstream's own `hasattr` probes keep working.
    """
