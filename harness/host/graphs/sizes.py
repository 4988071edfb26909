"""The flag that tells upstream which batch sizes to capture, as each release spells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_CONFIGURED_BY_PHASE = "srt/model_executor/cuda_graph_config.py"
"""In releases from 0.5.14 on, which configure decoding and prefill apart; 0.5.20 dropped the older flag."""


def arguments(code: Path, sizes: Sequence[int]) -> tuple[str, ...]:
    """The command-line arguments for the package in `code`."""
    by_phase = (code / _CONFIGURED_BY_PHASE).is_file()
    return ("--cuda-graph-bs-decode" if by_phase else "--cuda-graph-bs", *map(str, sizes))
