"""Importing this makes a process ready to import upstream's third-party dependencies."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

import torch

from harness.host import torchvision_ops

# One thread: an OpenMP pool made before a fork would be lost in the child, and sums that
# always run in the same order keep results alike.
torch.set_num_threads(1)

_COMM = Path("/proc/self/comm")


def _find_title() -> None:
    """Let setproctitle, with which upstream's servers name their processes, find where titles go.

    It looks the first time that it is asked, from the variables on: once one was taken away it finds nothing.
    """
    with contextlib.suppress(ImportError):
        title = importlib.import_module("setproctitle")
        name = _COMM.read_text(encoding="utf-8")
        title.getproctitle()
        _COMM.write_text(name, encoding="utf-8")  # which it sets to the first word of the command


_find_title()

TORCHVISION = torchvision_ops.declare()
PATCHES = (torchvision_ops.PATCH,) if TORCHVISION else ()
