"""What an arm can see of the process that it is, for two of them to be compared."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_STATUS = ("Umask", "SigBlk", "SigIgn", "SigCgt", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Threads")


def looks(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Everything by a name; modules in the order in which they were imported."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    limits = (name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_DATA")
    return {
        "modules": list(sys.modules),
        "environment": dict(os.environ),
        "files": sorted(filter(None, map(_target, os.listdir("/proc/self/fd")))),
        "status": [line for line in lines if line.startswith(_STATUS)],
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        "signals": [str(signal.getsignal(number)) for number in sorted(signal.valid_signals())],
        "search": [sys.path, [str(finder) for finder in sys.meta_path], sys.argv],
        "collector": [gc.isenabled(), gc.get_threshold()],
        "streams": [(stream.encoding, stream.errors, stream.isatty()) for stream in (sys.stdout, sys.stderr)],
        "depth": _depth(),
        "filters": len(warnings.filters),
        "temporary": tempfile.gettempdir(),
        "cwd": os.getcwd(),
        "leads": os.getsid(0) == os.getpid(),
        "nice": os.nice(0),
        "name": Path("/proc/self/comm").read_text(encoding="utf-8"),
    }


def _target(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # by which the folder was listed
        return ""


def _depth() -> int:
    """How many frames there are: a recursion without an end has so many less to go."""
    frame, count = sys._getframe(), 0
    while frame := frame.f_back:  # type: ignore[assignment]
        count += 1
    return count
