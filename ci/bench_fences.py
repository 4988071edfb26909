"""What device fences cost on a decode step, by CUDA events: eager and as a replayed graph.

Plain, red zones and electric fences take turns in one process; compute-sanitizer, if it is there, runs
the plain step in processes of its own. Every buffer of the step is fenced, and all zones are looked
at after every step.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "ci")]

STEPS, ROUNDS, WARM = 50, 7, 10
MOST = {"graph": 1.10, "eager": 1.25}
"""What fences may cost at most, as multiples of the plain step."""
UNCACHED = "PYTORCH_NO_CUDA_MEMORY_CACHING"
WITHIN = 150
"""Seconds that the step may take under compute-sanitizer."""


def milliseconds(call: Callable[[], object], steps: int) -> float:
    """Mean time of a step by CUDA events, over `steps` in a row."""
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(steps):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / steps


def variant(fence: str | None) -> tuple[dict[str, Callable[[], object]], Any]:
    """The step by way of running it, and the fences around its buffers. Uncached memory has no graphs."""
    import decode_step
    import torch

    from harness.memory.device import install

    installed = None
    if fence is not None:
        here = str(Path(__file__).resolve().parent)
        installed = install.install(install.Wanted(here, electric=fence == "electric"))
    decoder = decode_step.Decoder(torch.device("cuda", 0))
    eager = decoder.step
    for _ in range(3):
        eager()
    torch.cuda.synchronize()
    if UNCACHED in os.environ:
        return {"eager": eager}, None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        decoder.step()
    replay = graph.replay
    if installed is None:
        return {"eager": eager, "graph": replay}, None
    installed.check()
    installed.remove()
    followed = {
        "eager": _followed(eager, installed.after_forward),
        "graph": _followed(replay, installed.fences.poll),
    }
    return followed, installed


def _followed(call: Callable[[], object], check: Callable[[], None]) -> Callable[[], object]:
    def both() -> None:
        call()
        check()

    return both


def measure(fences: list[str], steps: int, rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds a step, by fence and by way of running; all take turns, warm."""
    import torch

    variants = {name or "plain": variant(name) for name in (None, *fences)}
    taken: dict[str, dict[str, list[float]]] = {
        name: {way: [] for way in ways} for name, (ways, _) in variants.items()
    }
    with torch.no_grad():
        for number in range(rounds + 1):
            for name, (ways, _) in variants.items():
                for way, call in ways.items():
                    spent = milliseconds(call, steps)
                    if number:  # the first round warms up
                        taken[name][way].append(spent)
    for name, (_, installed) in variants.items():
        if installed is not None:
            installed.check()
            faults = [fault.signature for fault in installed.strays.faults()]
            print(name, "fenced", installed.fences.fenced, "zones", len(installed.fences._by_slot), faults)
            if faults:
                raise SystemExit(f"bench: {faults[0]} in a clean step")
    return {
        name: {way: statistics.median(spent) for way, spent in ways.items()} for name, ways in taken.items()
    }


def under_sanitizer() -> dict[str, Any]:
    """The plain step under compute-sanitizer, by default and padded; what it cannot do is told."""
    from harness.memory.device import sanitizer

    tool = sanitizer.executable()
    if tool is None:
        return {"compute-sanitizer": "UNSUPPORTED: not installed"}
    found: dict[str, Any] = {}
    for padded in (False, True):
        name = "compute-sanitizer, padded" if padded else "compute-sanitizer"
        command = [sys.executable, str(Path(__file__).resolve()), "--plain", "--steps", "5", "--rounds", "2"]
        command = sanitizer.wrapped(command, tool, padded=padded)
        environment = {**os.environ, **(sanitizer.UNCACHED if padded else {})}
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=WITHIN, check=False
            )
            lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
            found[name] = json.loads(lines[-1])["plain"] if lines else f"failed: {ended.stdout[-300:]}"
        except subprocess.TimeoutExpired:
            found[name] = f"more than {WITHIN} s"
    return found


def main() -> int:
    """0 if red zones stay within MOST."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--plain", action="store_true", help="measure the plain step alone")
    parser.add_argument("--no-sanitizer", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    found: dict[str, Any] = measure(
        [] if chosen.plain else ["red zones", "electric"], chosen.steps, chosen.rounds
    )
    if chosen.plain:
        print(json.dumps(found))
        return 0
    ratios = {
        name: {way: found[name][way] / found["plain"][way] for way in MOST}
        for name in ("red zones", "electric")
    }
    found |= {"ratios": ratios} | ({} if chosen.no_sanitizer else under_sanitizer())
    print(json.dumps(found, indent=1))
    if chosen.out:
        (chosen.out / "fences.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0 if all(ratios["red zones"][way] <= most for way, most in MOST.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
