"""What a server that has ended may have left on the machine: processes and segments of shared memory."""

from __future__ import annotations

from pathlib import Path

from harness.process import descendants

_SHARED = Path("/dev/shm")


def segments() -> frozenset[str]:
    """The names of all segments there are."""
    return frozenset(path.name for path in _SHARED.iterdir()) if _SHARED.is_dir() else frozenset()


def since(mark: str, before: frozenset[str]) -> list[str]:
    """Processes with `mark` (NAME=value) in their environment, and new segments that nobody uses.

    Ports need no look of their own: a process listens at them, and it would be found.
    """
    running = [f"process {name}" for name in marked(mark)]
    return running + [f"segment {name}" for name in sorted(segments() - before - _used())]


def marking(name: str, value: str) -> dict[str, str]:
    """What marks a process and all below it; a title must not be written over it (setproctitle)."""
    return {name: value, "SPT_NOENV": "1"}


def marked(mark: str) -> list[str]:
    """The names of living processes that have NAME=value in their environment."""
    wanted, found = mark.encode(), []
    for pid in _pids():
        if wanted in _read(pid, "environ").split(b"\0"):
            process = descendants.look_up(pid)
            found += [process.name] if process and not process.ended else []
    return found


def _used() -> set[str]:
    """Segments that some process has mapped: those of our neighbours on this machine, for instance."""
    lines = [line for pid in _pids() for line in _read(pid, "maps").decode(errors="replace").splitlines()]
    named = [line.partition(f" {_SHARED}/")[2] for line in lines]
    return {name.removesuffix(" (deleted)") for name in named if name}


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _read(pid: int, what: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""  # it has ended, or is somebody else's
