"""The flags that tell upstream which batch sizes to capture, as each release spells them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_CONFIGURED_BY_PHASE = "srt/model_executor/cuda_graph_config.py"
"""In releases from 0.5.14 on, which configure decoding and prefill apart; 0.5.20 dropped the older flags."""
_BEFORE = {
    "--cuda-graph-bs-decode": "--cuda-graph-bs",
    "--cuda-graph-max-bs-decode": "--cuda-graph-max-bs",
}


def arguments(code: Path, sizes: Sequence[int]) -> tuple[str, ...]:
    """The command-line arguments for the package in `code`."""
    return (spelt(code, "--cuda-graph-bs-decode"), *map(str, sizes))


def spelt(code: Path, word: str) -> str:
    """A flag of today as the package in `code` spells it; any other word as it is."""
    return word if (code / _CONFIGURED_BY_PHASE).is_file() else _BEFORE.get(word, word)
