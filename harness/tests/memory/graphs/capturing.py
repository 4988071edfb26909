"""Captures a function, as the tests of graphs do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from harness.memory.graphs import CUDAGraph, graph
from harness.memory.oracle import Oracle

HERE = Path(__file__).parent


def captured(function: Callable[[], Any]) -> tuple[CUDAGraph, Any]:
    """The graph of a function, and what the function gave back while it was captured."""
    made = CUDAGraph()
    with torch.inference_mode(), graph(made):
        result = function()
    return made, result


def faults_of(*calls: Callable[[], Any]) -> list[str]:
    """What the oracle tells of calls by code in this folder."""
    oracle = Oracle()
    with oracle.watching(HERE, entered=lambda kernel: None):
        for call in calls:
            call()
    return [fault.signature for fault in oracle.violations.faults()]
