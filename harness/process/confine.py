"""Makes folders read-only for an arm and all that it starts, with a mount namespace of its own.

Root makes one at once and then gives up the capabilities that would undo it, or reach into the pool.
Anybody else makes it within a user namespace, where the kernel lets them, and gives up all they had there.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_KEPT_FLAGS = os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC | os.ST_NOATIME
"""Flags of a mount that a user namespace may not take away; mount(2) and statvfs(3) number them alike."""
_DROP_FROM_BOUND = 24
_READ_SEARCH, _PTRACE, _ADMIN = 2, 19, 21
"""CAP_DAC_READ_SEARCH opens files past a mount (open_by_handle_at), the others undo it or reach its maker."""
_CAPABILITIES_VERSION = 0x20080522

_BOOT = (
    "import os, sys; sys.path.insert(0, sys.argv[1])\n"
    "from pathlib import Path; from harness.process import confine\n"
    "confine.enter(confine.Protected((Path(sys.argv[1]),)))\n"
    "sys.exit(not os.statvfs(sys.argv[1]).f_flag & os.ST_RDONLY and 'it can be written all the same')"
)


@dataclass(frozen=True)
class Protected:
    """Folders that an arm may read alone, and folders below them that it may write."""

    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {name: list(map(str, getattr(self, name))) for name in ("read_only", "writable")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Protected:
        return cls(*(tuple(map(Path, data[name])) for name in ("read_only", "writable")))


def refused() -> str | None:
    """Why this machine does not let arms have read-only folders; None where it does."""
    above = Path(__file__).parents[2]
    command = [sys.executable, "-I", "-S", "-c", _BOOT, str(above)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().split("\n") or ["it ended"])[-1]


def enter(protected: Protected) -> None:
    """Have the folders read-only in this process and its children from now on; it must have one thread.

    Raises OSError where the machine refuses.
    """
    if protected.read_only:
        give_up(shut(protected))


def shut(protected: Protected) -> frozenset[int]:
    """The same for a process whose children may each write folders of their own, by a `shut` of theirs.

    Returns the capabilities that undo it, which whoever comes last is to `give_up`.
    """
    gone = _unshare()
    _mount("none", "/", _RECURSIVE | _PRIVATE)
    read_only, writable = _in_order(protected.read_only), _in_order(protected.writable)
    for path in (*read_only, *writable):
        _mount(path, path, _BIND | _RECURSIVE)
    for path in read_only:
        flags = os.statvfs(path).f_flag & _KEPT_FLAGS
        _mount("none", path, _BIND | _REMOUNT | _READ_ONLY | flags)
    for path in writable:  # one that a parent has shut
        _mount("none", path, _BIND | _REMOUNT | os.statvfs(path).f_flag & _KEPT_FLAGS)
    os.chdir(os.getcwd())  # the folder itself would lead past the mounts
    return frozenset(gone)


def _in_order(paths: Iterable[Path]) -> list[str]:
    """Those that are there, each once, with what is above before what is below."""
    return sorted({os.path.realpath(path) for path in paths if path.exists()})


def _unshare() -> Iterable[int]:
    """A mount namespace, within a user namespace for those who may not have one otherwise.

    Returns the capabilities to give up: in a user namespace there is nothing that they were wanted for.
    """
    libc = _libc()
    if libc.unshare(_NEW_MOUNTS) == 0:
        return (_READ_SEARCH, _PTRACE, _ADMIN)
    user, group = os.getuid(), os.getgid()
    _hold(libc.unshare(_NEW_USER | _NEW_MOUNTS), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="utf-8")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="utf-8")
    return range(int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="utf-8")) + 1)


def _mount(source: str, target: str, flags: int) -> None:
    done = _libc().mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None)
    _hold(done, f"mount of {target}")


def give_up(gone: Iterable[int]) -> None:
    """These capabilities, from the bound too: a program that root starts would have them back."""
    libc, mask = _libc(), sum(1 << capability for capability in gone)
    for capability in gone:
        _hold(libc.prctl(_DROP_FROM_BOUND, capability, 0, 0, 0), "prctl")
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable of the lower 32, then of the others
    _hold(libc.capget(header, sets), "capget")
    for place in range(6):
        sets[place] &= ~(mask >> 32 * (place // 3)) & 0xFFFFFFFF
    _hold(libc.capset(header, sets), "capset")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _hold(done: int, what: str) -> None:
    if done:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
