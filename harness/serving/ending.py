"""How a server ended, and whether it left anything: from its exit, its log and the machine after it."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.observation import Exit, Fault
from harness.observation.normalise import message
from harness.process.ending import signal_name
from harness.serving import logs
from harness.serving.causes import Causes

_NO_LIMIT = resource.RLIM_INFINITY


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is known when nothing of a server runs any more.

    `exit` is that of its first process; its `how` is `stopped` where we ended it, else clean, exception or
    crash. `unresolved` says why nothing follows for the code under test. `last_lines` end the log as
    it was before the server was stopped. What should not be there is in `survivors` (processes that
    outlived SIGKILL), `occupied` (ports still listened to) and `segments` (shared memory that had to
    be removed).
    """

    exit: Exit
    faults: tuple[Fault, ...] = ()
    unresolved: str | None = None
    last_lines: str = ""
    log: str = ""
    seconds: float = 0.0
    survivors: tuple[str, ...] = ()
    occupied: tuple[int, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        return not self.faults and self.unresolved is None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was there to conclude from, as of the moment before the server was stopped.

    `own` is what the processes reported themselves, if they did; `exit` is None while the first process
    ran. `trouble` is what the harness itself saw: a hang. `lost`
    are the roles of processes that served and are gone. `file_limit` is RLIMIT_FSIZE in bytes,
    `kernel_kills` how often the kernel killed for memory meanwhile.
    """

    exit: Exit | None
    log: Path
    text: str
    own: Causes | None = None
    trouble: tuple[Fault, ...] = ()
    lost: tuple[str, ...] = ()
    file_limit: int = _NO_LIMIT
    kernel_kills: int = 0


def exit_of(status: os.waitid_result) -> Exit:
    """How a process ended, from what waitid said of it."""
    if status.si_code == os.CLD_EXITED:
        code = status.si_status
        return Exit(how="exception" if code else "clean", code=code)
    return Exit(how="crash", signal=signal_name(status.si_status))


def conclude(found: Found) -> tuple[tuple[Fault, ...], str | None]:
    """The faults of a run, and why nothing can be concluded from it, if so."""
    reading = _reading(found)
    if unresolved := _unresolved(found, reading):
        return reading.faults, unresolved
    return (*reading.faults, *_not_told(found, reading.faults)), None


def _reading(found: Found) -> logs.Reading:
    """The faults as the processes report them; from the shared log alone where none of them does.

    What a process lacked before it could report, or while it had no disk to, stands in the log; so does why
    a server ended whose processes only printed it.
    """
    shared, own = logs.read(found.text), found.own
    if own is None or (found.exit is not None and not own.faults):
        return shared
    return logs.Reading(own.faults, own.lacking or shared.lacking, own.storage or shared.storage)


def _unresolved(found: Found, reading: logs.Reading) -> str | None:
    if full := reading.storage or _storage(found):
        return f"the log is not whole: {full}"
    ended_itself = found.exit is not None or any(fault.kind == "hang" for fault in found.trouble)
    if ended_itself and reading.lacking:
        return f"the server could not run: {reading.lacking}"
    if found.kernel_kills and found.exit is not None:
        return "the server could not run: the kernel killed a process, the machine had no memory left"
    return None


def _storage(found: Found) -> str | None:
    """Whether the log stopped because nothing more could be written."""
    try:
        size, left = found.log.stat().st_size, os.statvfs(found.log).f_bavail
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not left:
        return "the disk of the run's folder is full"
    return f"it reached the file-size limit of {found.file_limit} bytes" if _is_cut(size, found) else None


def _is_cut(size: int, found: Found) -> bool:
    return found.file_limit != _NO_LIMIT and size >= found.file_limit


def _not_told(found: Found, told: Sequence[Fault]) -> tuple[Fault, ...]:
    """The faults that the log does not tell of: hangs we saw, and ends that nobody explains."""
    if any(fault.sort.ends for fault in told):
        return ()
    if found.exit is None:
        gone = tuple(
            Fault(kind="crash", process=role, message="ended while in service") for role in found.lost
        )
        return gone or found.trouble
    how = found.exit.signal or f"ended by itself with code {found.exit.code}"
    last = logs.last_lines(found.text, 1)
    return (Fault(kind="crash", process="server", message=message(f"{how}; last line: {last}")),)
