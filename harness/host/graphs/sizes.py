"""The flags that tell upstream which CUDA graphs to capture, as each release spells them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_CONFIGURED_BY_PHASE = "srt/model_executor/cuda_graph_config.py"
"""In releases from 0.5.14 on, which configure decoding and prefill apart; 0.5.20 dropped the older flags."""
_BEFORE = {
    "--cuda-graph-bs-decode": "--cuda-graph-bs",
    "--cuda-graph-max-bs-decode": "--cuda-graph-max-bs",
}
_PIECEWISE = "--disable-piecewise-cuda-graph"
"""From 0.5.10 on."""


def arguments(code: Path, sizes: Sequence[int]) -> tuple[str, ...]:
    """The command-line arguments for the package in `code`."""
    return (spelt(code, "--cuda-graph-bs-decode"), *map(str, sizes))


def spelt(code: Path, word: str) -> str:
    """A flag of today as the package in `code` spells it; any other word as it is."""
    return word if _by_phase(code) else _BEFORE.get(word, word)


def without_prefill(code: Path) -> tuple[str, ...]:
    """What has a server capture no graphs for prefill, which no case needs and which takes half a minute."""
    if _by_phase(code):
        return ("--cuda-graph-backend-prefill", "disabled")
    file = code / "srt/server_args.py"
    known = file.is_file() and _PIECEWISE in file.read_text(encoding="utf-8", errors="replace")
    return (_PIECEWISE,) if known else ()  # 0.5.9 captures none unless it is asked to


def _by_phase(code: Path) -> bool:
    return (code / _CONFIGURED_BY_PHASE).is_file()
