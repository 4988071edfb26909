"""All that an import can depend on beside files: where two processes have it alike, they import alike."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import harness

UNREAD = frozenset(
    {
        "_",  # the command that the shell started
        "PWD", "OLDPWD", "SHLVL",  # the shell's own; the folder itself is compared
        "SSH_AUTH_SOCK", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY",  # of a login
        "XDG_SESSION_ID", "GPG_TTY",
        "COLUMNS", "LINES",  # as wide as a terminal is
        "TMUX", "TMUX_PANE", "STY", "WINDOW", "WINDOWID", "TERM_SESSION_ID",  # of a terminal's window
        "MAKEFLAGS", "MAKELEVEL", "MFLAGS",  # make's to a make that it starts
    }
)  # fmt: skip
"""Variables that no import asks for, seen by recording what torch, transformers and all that they import ask
for. (TERM is none of them: IPython decides by it whether it sets titles.)"""
_STATUS = (
    "Uid", "Gid", "Groups", "Umask", "NoNewPrivs", "Seccomp", "Cpus_allowed", "Mems_allowed", "THP_enabled",
    "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
)  # fmt: skip
_OWN = ("oom_score_adj", "personality", "attr/current", "timerslack_ns", "timens_offsets", "coredump_filter")
_CGROUPS = Path("/sys/fs/cgroup")
_LIMITS = (
    "cpu.max", "cpuset.cpus", "cpuset.mems", "memory.high", "memory.max", "memory.swap.max", "pids.max",
)  # fmt: skip
_UNLIMITED = frozenset({"", "max", "max 100000"})
_ACCELERATORS = ("accel", "dri", "kfd", "nvidia")


@dataclass(frozen=True)
class Surroundings:
    """What was found, by the names in which a difference is told. Values of variables are digests."""

    facts: Mapping[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()

    def difference(self, other: Surroundings) -> str | None:
        """What differs, the first three of it; None where all is alike."""
        names = sorted({*self.facts, *other.facts})
        found = [name for name in names if self.facts.get(name) != other.facts.get(name)]
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return f"another {', '.join(found[:3])}{more}" if found else None

    @classmethod
    def here(cls) -> Surroundings:
        """This process's."""
        facts: dict[str, str] = {}
        for part in (_python, _variables, _process, _limits, _cgroups, _accelerators):
            facts.update(part())
        return cls(facts)


def search_path() -> list[str]:
    """Where an interpreter that this process starts is to look for modules."""
    return [os.path.abspath(entry) for entry in sys.path]


def unread() -> dict[str, str | None]:
    """The variables of this process that are not compared; None for one that it has not."""
    return {name: os.environ.get(name) for name in sorted(UNREAD)}


def _python() -> dict[str, str]:
    folder = os.stat(".")
    return {
        "Refault": f"{harness.__version__} in {next(iter(harness.__path__))}",
        "interpreter": f"{sys.executable} {os.path.realpath(sys.executable)} {sys.version}",
        "search path (sys.path)": json.dumps(search_path()),
        "current folder": f"{os.getcwd()} {folder.st_dev} {folder.st_ino}",
    }


def _variables() -> dict[str, str]:
    return {
        f"variable {name}": hashlib.sha256(os.fsencode(value)).hexdigest()[:16]
        for name, value in os.environ.items()
        if name not in UNREAD
    }


def _process() -> dict[str, str]:
    lines = (line.partition(":") for line in _read(Path("/proc/self/status")).splitlines())
    told = {f"process's {name}": value.strip() for name, _, value in lines if name in _STATUS}
    own = {f"process's {name}": _read(Path("/proc/self", name)) for name in _OWN}
    spaces = {f"namespace {one.name}": os.readlink(one.path) for one in os.scandir("/proc/self/ns")}
    root = os.stat("/")
    return {
        **told,
        **own,
        **spaces,
        "root folder": f"{root.st_dev} {root.st_ino}",
        "nice value": str(os.getpriority(os.PRIO_PROCESS, 0)),
        "scheduling": f"{os.sched_getscheduler(0)} {os.sched_getparam(0).sched_priority}",
    }


def _limits() -> dict[str, str]:
    names = (name for name in dir(resource) if name.startswith("RLIMIT_"))
    return {f"limit {name}": str(resource.getrlimit(getattr(resource, name))) for name in names}


def _cgroups() -> dict[str, str]:
    """What a control group limits, and which group that is: another window is often another group without
    any limit of its own. Of groups of version 1 nothing but their names."""
    found: dict[str, str] = {}
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0":
            found.update(_limits_of(group))
        elif not controllers.startswith("name="):
            found[f"control group {controllers}"] = group
    return found


def _limits_of(group: str) -> Iterator[tuple[str, str]]:
    here = _CGROUPS / group.lstrip("/")
    for folder in (here, *here.parents):
        if not folder.is_relative_to(_CGROUPS):
            return
        for name in _LIMITS:
            if (value := _read(folder / name)) not in _UNLIMITED:
                yield f"{name} of control group {folder.relative_to(_CGROUPS)}", value


def _accelerators() -> dict[str, str]:
    names = (name for name in os.listdir("/dev") if name.startswith(_ACCELERATORS))
    return {"accelerators": " ".join(sorted(names))}


def _read(path: Path) -> str:
    """Empty for what this kernel does not have or does not tell."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
