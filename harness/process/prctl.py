"""The few Linux process attributes that Python has no call for."""

from __future__ import annotations

import ctypes
import os
import signal

_SET_PDEATHSIG, _SET_NAME, _SET_CHILD_SUBREAPER = 1, 15, 36


def _prctl(option: int, value: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    argument = value if isinstance(value, bytes) else ctypes.c_ulong(value)
    if libc.prctl(option, argument, ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def adopt_orphans() -> None:
    """Descendants whose parent ends become children of this process, not of init."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def name_process(name: str) -> None:
    """The name that `ps` and `top` show; Linux keeps 15 characters."""
    _prctl(_SET_NAME, name.encode()[:15])


def die_with(parent: int) -> None:
    """The kernel kills this process as soon as `parent` ends; ends it at once if that has happened.

    Holds only where the parent has one thread: the kernel means the thread that forked.
    """
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
