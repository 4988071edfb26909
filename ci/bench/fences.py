"""What device fences cost on upstream's own decode step, by CUDA events: eager and as a replayed graph.

Each variant is a process of its own that loads the same model (ci/bench/decode_step.py); all load at once,
then take turns, so that a round sees each of them within the same second. Plain, red zones and electric
fences are held against each other; compute-sanitizer, if it is there, stands beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

STEPS, ROUNDS, WARM = 50, 7, 10
UNDER_SANITIZER = 5
"""Steps of a turn there, and one round: each takes tens of milliseconds."""
MOST = {"graph": 1.10, "eager": 1.25}
"""What fences may cost at most, as multiples of the plain step."""
WITHIN = 120.0
"""Seconds within which a variant has to be loaded, and one of its turns to be over."""
MARK = "refault-bench "


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`fence`: red zones or electric ones around the long-lived buffers; `temporaries`: also around
    those that each step allocates. `tool`: compute-sanitizer around the process, perhaps padded.
    """

    fence: str | None = None
    temporaries: bool = False
    tool: bool = False
    padded: bool = False

    @property
    def steps(self) -> int | None:
        """How many steps a turn may have; None for as many as are asked for."""
        return UNDER_SANITIZER if self.tool else None


VARIANTS: Mapping[str, Variant] = {
    "plain": Variant(),
    "red zones": Variant(fence="red zones"),
    "electric fence": Variant(fence="electric"),
    "red zones, temporaries too": Variant(fence="red zones", temporaries=True),
    "compute-sanitizer": Variant(tool=True),
    "compute-sanitizer, padded, no caching": Variant(tool=True, padded=True),
}
JUDGED = ("red zones", "electric fence")
"""What has to stay within MOST: the fences that a server's case asks for."""


# --- in a variant's process --------------------------------------------------------------------


def work(name: str, device: str) -> int:
    """Load, say so, then measure a turn for each line `WAY STEPS` until there is none."""
    variant = VARIANTS[name]
    ways, installed = _loaded(variant, device)
    for _ in range(3 if variant.tool or device == "cpu" else WARM):
        for step in ways.values():
            step()
    _say(ready=sorted(ways))
    for line in sys.stdin:
        way, _, steps = line.strip().partition(" ")
        _say(milliseconds=milliseconds(ways[way], int(steps), device))
    if installed is not None:
        installed.check()
        _say(
            fenced=installed.fences.fenced,
            faults=[fault.signature for fault in installed.violations.faults()],
        )
    return 0


def _say(**told: Any) -> None:
    print(MARK + json.dumps(told), flush=True)


def _loaded(variant: Variant, device: str) -> tuple[dict[str, Callable[[], object]], Any]:
    """The step by way of running it, with the fences around it."""
    import harness.host.preload  # noqa: F401  upstream asks for torchvision
    from ci.bench import decode_step
    from harness.machine.workspace import default

    if device == "cpu":
        from harness.host import without_accelerator

        without_accelerator.answer("sglang", lambda change: None)
    installed = _fenced(variant, device) if variant.fence else None
    decoder = decode_step.Decoder(default().models, device, graphs=not variant.padded)
    ways = {"eager": decoder.eager} | ({"graph": decoder.graph} if decoder.graph else {})
    if installed is None:
        return ways, None
    if not variant.temporaries:
        installed.settle()
    followed = {"eager": installed.after_forward, "graph": installed.poll}
    return {way: _followed(step, followed[way]) for way, step in ways.items()}, installed


def _fenced(variant: Variant, device: str) -> Any:
    """As harness/tiers/server/batches_on_gpu.py puts them into a scheduler."""
    import importlib.util

    from ci.bench import decode_step
    from harness.memory.device import install

    spec = importlib.util.find_spec("sglang")
    if spec is None or spec.origin is None:
        raise SystemExit("bench: sglang is not installed")
    return install.install(
        install.Wanted(
            root=str(Path(spec.origin).parent),
            only=decode_step.BUFFERS,
            electric=variant.fence == "electric",
            device=device,
        )
    )


def _followed(call: Callable[[], object], check: Callable[[], None]) -> Callable[[], object]:
    def both() -> None:
        call()
        check()

    return both


def milliseconds(call: Callable[[], object], steps: int, device: str) -> float:
    """Mean time of a step over `steps` in a row: by CUDA events; by the clock where there are none."""
    if device == "cpu":
        began = time.perf_counter()
        for _ in range(steps):
            call()
        return (time.perf_counter() - began) * 1000 / steps
    import torch

    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    for _ in range(steps):
        call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / steps


# --- in the parent -----------------------------------------------------------------------------


class Turns:
    """A variant's process and what it says. Raises RuntimeError with its last words where it says nothing."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self._log = name, log
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()
        self.ways: tuple[str, ...] = ()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._log.open("a", encoding="utf-8") as log:
            for line in self._process.stdout:
                if line.startswith(MARK):
                    self._said.put(json.loads(line.removeprefix(MARK)))
                else:
                    log.write(line)
        self._said.put(None)

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next thing it says."""
        try:
            told = self._said.get(timeout=seconds)
        except queue.Empty:
            raise RuntimeError(f"more than {seconds:.0f} s") from None
        if told is None:
            words = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-1:]
            raise RuntimeError(f"ended with {self._process.wait()}: {' '.join(words)[-300:]}")
        return told

    def turn(self, way: str, steps: int) -> float:
        """Milliseconds a step."""
        self._tell(f"{way} {steps}")
        return float(self.hear(WITHIN)["milliseconds"])

    def last(self) -> dict[str, Any]:
        """What a fenced one has to say when there are no more turns."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.hear(WITHIN) if VARIANTS[self.name].fence else {}

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Leave no process behind: compute-sanitizer would leave the one that it watches."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def start(name: str, device: str, folder: Path) -> Turns | str:
    """The process of a variant, or why there is none."""
    from harness.memory.device import sanitizer

    variant = VARIANTS[name]
    command = [sys.executable, str(Path(__file__).resolve()), "--work", name, "--device", device]
    environment = dict(os.environ)
    if variant.tool:
        tool = sanitizer.executable()
        if tool is None:
            return "UNSUPPORTED: compute-sanitizer is not installed"
        command = sanitizer.wrapped(command, tool, padded=variant.padded)
        environment |= sanitizer.UNCACHED if variant.padded else {}
    log = folder / f"bench-{name.replace(',', '').replace(' ', '-')}.log"
    return Turns(name, command, environment, log)


def measure(
    names: Sequence[str], device: str, steps: int, rounds: int, folder: Path
) -> dict[str, dict[str, float] | str]:
    """Median milliseconds a step by variant and way, or why a variant has none."""
    found: dict[str, dict[str, float] | str] = {}
    with ExitStack() as stack:
        begun = {name: start(name, device, folder) for name in names}
        running = {name: one for name, one in begun.items() if isinstance(one, Turns)}
        for one in running.values():
            stack.callback(one.end)
        found |= {name: why for name, why in begun.items() if isinstance(why, str)}
        ready = _loaded_ones(running, found)
        taken = _rounds(ready, steps, rounds, found)
        for name, one in ready.items():
            if name not in found:
                found[name] = {way: statistics.median(spent) for way, spent in taken[name].items()}
                _check_clean(one)
    return {name: found[name] for name in names}


def _loaded_ones(running: Mapping[str, Turns], found: dict[str, Any]) -> dict[str, Turns]:
    until = time.monotonic() + WITHIN
    ready = {}
    for name, one in running.items():
        try:
            one.ways = tuple(one.hear(max(1.0, until - time.monotonic()))["ready"])
        except RuntimeError as why:
            found[name] = f"not measured: {why}"
            one.end()
        else:
            ready[name] = one
    return ready


def _rounds(
    ready: Mapping[str, Turns], steps: int, rounds: int, found: dict[str, Any]
) -> dict[str, dict[str, list[float]]]:
    """All turns; the first round warms up, and is the only one that a sanitizer's variant has."""
    taken: dict[str, dict[str, list[float]]] = {
        name: {way: [] for way in one.ways} for name, one in ready.items()
    }
    for number in range(rounds + 1):
        for name, one in ready.items():
            fewer = VARIANTS[name].steps
            if name in found or (fewer and number):
                continue
            try:
                for way in one.ways:
                    spent = one.turn(way, fewer or steps)
                    if number or fewer:
                        taken[name][way].append(spent)
            except RuntimeError as why:
                found[name] = f"not measured: {why}"
    return taken


def _check_clean(one: Turns) -> None:
    """A clean step that a fence complains of would make its cost worth nothing."""
    told = one.last()
    if told:
        print(f"{one.name}: {told['fenced']} buffers fenced", flush=True)
    if told.get("faults"):
        raise SystemExit(f"bench: {told['faults'][0]} in a clean step")
    if told and not told["fenced"]:
        raise SystemExit(f"bench: {one.name} fenced nothing: upstream names its buffers otherwise")


def ratios(found: Mapping[str, dict[str, float] | str]) -> dict[str, dict[str, float]]:
    """Each variant's step as a multiple of the plain one, by way."""
    plain = found["plain"]
    if isinstance(plain, str):
        raise SystemExit(f"bench: the plain step was {plain}")
    return {
        name: {way: spent / plain[way] for way, spent in ways.items() if way in plain}
        for name, ways in found.items()
        if not isinstance(ways, str)
    }


def too_dear(times: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What is judged and costs more than it may, or was not measured at all."""
    dear = []
    for name in JUDGED:
        for way, most in MOST.items():
            cost = times.get(name, {}).get(way)
            if cost is None:
                dear.append(f"{name}, {way}: not measured")
            elif cost > most:
                dear.append(f"{name}, {way}: {cost:.3f} times the plain step, more than {most}")
    return dear


def table(found: Mapping[str, dict[str, float] | str]) -> str:
    """The costs as Markdown, a row a variant."""
    times = ratios(found)
    lines = ["| | eager, ms | eager | graph replay, ms | graph replay |", "| --- | --- | --- | --- | --- |"]
    for name, ways in found.items():
        if isinstance(ways, str):
            lines.append(f"| {name} | {ways} | | | |")
            continue
        cells = [
            cell
            for way in ("eager", "graph")
            for cell in (
                (f"{ways[way]:.2f}", f"{times[name][way]:.2f}x") if way in ways else ("no graphs", "")
            )
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """0 if red zones and electric fences stay within MOST."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for fences.json and logs")
    parser.add_argument("--only", help="variants, between semicolons")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=list(VARIANTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        return work(chosen.work, chosen.device)
    names = chosen.only.split(";") if chosen.only else list(VARIANTS)
    if strangers := [name for name in names if name not in VARIANTS]:
        parser.error(f"no variant {strangers[0]!r}: there are {', '.join(VARIANTS)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    found = measure(names, chosen.device, chosen.steps, chosen.rounds, chosen.out)
    times = ratios(found)
    told = {"milliseconds": found, "ratios": times}
    (chosen.out / "fences.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (chosen.out / "fences.md").write_text(table(found), encoding="utf-8")
    print(table(found))
    dear = too_dear(times)
    print("\n".join(dear) or "fences stay within their bounds")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
