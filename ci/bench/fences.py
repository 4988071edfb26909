"""What device fences cost on upstream's own decode step, by CUDA events: eager and as a replayed graph.

Each variant is a process of its own that loads the same model (ci/bench/decode_step.py); all load at once,
then take turns, so that a round sees each of them within the same second. Two processes of the same code
differ by more than a fence costs, so that a fenced one also runs a plain step of its own: the same pools and
weights, a back end and a graph without fences, torch's own functions, and no sweep. A fence's cost is the
median over the rounds of what it takes beside that, with an interval. compute-sanitizer is held against the
plain process.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

STEPS, ROUNDS, WARM = 50, 15, 10
UNDER_SANITIZER = 5
"""Steps of a turn there, and one round: each takes tens of milliseconds."""
MOST = {"graph": 1.15, "eager": 1.25}
"""What fences may cost at most, as multiples of the plain step."""
WITHIN = 120.0
"""Seconds within which a variant has to be loaded, and one of its turns to be over."""
PLAIN = ", plain"
"""What a way of running the step without fences is called in a fenced process."""
CONFIDENCE = 0.95
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
    for way in ways:
        ways[way](3 if variant.tool or device == "cpu" else WARM)
    _say(ready=sorted(ways))
    for line in sys.stdin:
        way, _, steps = line.strip().rpartition(" ")
        _say(milliseconds=ways[way](int(steps)))
    if installed is not None:
        installed.check()
        _say(
            fenced=installed.fences.fenced,
            faults=[fault.signature for fault in installed.violations.faults()],
        )
    return 0


def _say(**told: Any) -> None:
    print(MARK + json.dumps(told), flush=True)


Timed = Callable[[int], float]
"""Runs the step so many times in a row; milliseconds a step."""


def _loaded(variant: Variant, device: str) -> tuple[dict[str, Timed], Any]:
    """The step by way of running it, with the fences around it, and the same without them."""
    import harness.host.preload  # noqa: F401  upstream asks for torchvision
    from ci.bench import decode_step
    from harness.machine.workspace import default

    if device == "cpu":
        from harness.host import without_accelerator

        without_accelerator.answer("sglang", lambda change: None)
    installed = _fenced(variant, device) if variant.fence else None
    decoder = decode_step.Decoder(default().models, device, graphs=not variant.padded)
    if installed is None:
        return {way: _timed(step, device) for way, step in decoder.step.ways.items()}, None
    with installed.aside():
        other = decoder.another()
    if not variant.temporaries:
        installed.settle()
    followed = {"eager": installed.after_forward, "graph": installed.poll}
    ways = {way: _timed(_followed(step, followed[way]), device) for way, step in decoder.step.ways.items()}
    ways |= {f"{way}{PLAIN}": _aside(installed, step, device) for way, step in other.ways.items()}
    return ways, installed


def _timed(step: Callable[[], object], device: str) -> Timed:
    return lambda steps: milliseconds(step, steps, device)


def _aside(installed: Any, step: Callable[[], object], device: str) -> Timed:
    def timed(steps: int) -> float:
        with installed.aside():
            return milliseconds(step, steps, device)

    return timed


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


Taken = dict[str, dict[str, list[float]]]
"""Milliseconds a step by variant and way, a figure a round."""
Found = dict[str, "dict[str, list[float]] | str"]
"""The same, or why a variant has none."""


def measure(names: Sequence[str], device: str, steps: int, rounds: int, folder: Path, within: float) -> Found:
    """All rounds, or as many as there is time for; what there is by now is written after each."""
    found: Found = {}
    until = time.monotonic() + within
    with ExitStack() as stack:
        begun = {name: start(name, device, folder) for name in names}
        running = {name: one for name, one in begun.items() if isinstance(one, Turns)}
        for one in running.values():
            stack.callback(one.end)
        found |= {name: why for name, why in begun.items() if isinstance(why, str)}
        ready = _loaded_ones(running, found)
        for taken in _rounds(ready, steps, rounds, found, until):
            write(_known(names, found, taken), folder)
        for name, one in ready.items():
            if name not in found:
                found[name] = taken[name]
                _check_clean(one)
    return {name: found[name] for name in names}


def _known(names: Sequence[str], found: Found, taken: Taken) -> Found:
    return {name: found.get(name) or taken[name] for name in names if name in found or name in taken}


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
    ready: Mapping[str, Turns], steps: int, rounds: int, found: dict[str, Any], until: float
) -> Iterator[Taken]:
    """All turns; the first round warms up, and is the only one that a sanitizer's variant has.

    Every other round takes the ways in the other order, so that none gains by its place.
    """
    taken: Taken = {name: {way: [] for way in one.ways} for name, one in ready.items()}
    for number in range(rounds + 1):
        if number > 1 and time.monotonic() > until:
            print(f"bench: out of time after {number - 1} of {rounds} rounds", flush=True)
            return
        for name, one in ready.items():
            fewer = VARIANTS[name].steps
            if name in found or (fewer and number):
                continue
            try:
                for way in one.ways if number % 2 else reversed(one.ways):
                    spent = one.turn(way, fewer or steps)
                    if number or fewer:
                        taken[name][way].append(spent)
            except RuntimeError as why:
                found[name] = f"not measured: {why}"
        yield taken


def _check_clean(one: Turns) -> None:
    """A clean step that a fence complains of would make its cost worth nothing."""
    told = one.last()
    if told:
        print(f"{one.name}: {told['fenced']} buffers fenced", flush=True)
    if told.get("faults"):
        raise SystemExit(f"bench: {told['faults'][0]} in a clean step")
    if told and not told["fenced"]:
        raise SystemExit(f"bench: {one.name} fenced nothing: upstream names its buffers otherwise")


# --- the figures -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """The median of some figures, their quartiles, and an interval for the median."""

    median: float
    lower: float
    upper: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """`low` to `high` holds the median of all that could be seen with a confidence of 95 % (order
        statistics: no form of the noise is taken for granted), or is all that was seen of a few."""
        ordered = sorted(values)
        n = len(ordered)
        lower, middle, upper = (
            statistics.quantiles(ordered, n=4, method="inclusive") if n > 1 else ordered * 3
        )
        out = _left_out(n)
        return cls(middle, lower, upper, ordered[out], ordered[n - 1 - out], n)

    def __str__(self) -> str:
        return f"{self.median:.3f}x ({self.low:.3f} to {self.high:.3f})"


def _left_out(count: int) -> int:
    """How many figures at each end the interval of the median leaves out."""
    out, tail = 0, 0.5**count
    while 2 * (tail + math.comb(count, out + 1) * 0.5**count) <= 1 - CONFIDENCE:
        out += 1
        tail += math.comb(count, out) * 0.5**count
    return out


def costs(found: Mapping[str, dict[str, list[float]] | str]) -> dict[str, dict[str, Spread]]:
    """Each variant's step as a multiple of the plain one, round by round, by way.

    Of the same process, where it has one, else of the plain process.
    """
    plain = found.get("plain", "not measured")
    told: dict[str, dict[str, Spread]] = {}
    for name, ways in found.items():
        if isinstance(ways, str):
            continue
        for way in (way for way in ways if not way.endswith(PLAIN)):
            base = ways.get(f"{way}{PLAIN}") or (
                plain[way] if isinstance(plain, dict) and way in plain else []
            )
            if ratios := _ratios(ways[way], base):
                told.setdefault(name, {})[way] = Spread.of(ratios)
    return told


def _ratios(times: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round; a sanitizer's one figure against the median."""
    if not times or not base:
        return []
    if len(times) == 1:
        return [times[0] / statistics.median(base)]
    return [one / other for one, other in zip(times, base, strict=False)]


def judged(told: Mapping[str, Mapping[str, Spread]]) -> list[str]:
    """What is promised and not shown: dearer than it may be, too noisy to tell, or not measured."""
    problems = []
    for name in JUDGED:
        for way, most in MOST.items():
            cost = told.get(name, {}).get(way)
            if cost is None:
                problems.append(f"{name}, {way}: not measured")
            elif cost.low > most:
                problems.append(f"{name}, {way}: {cost} the plain step, more than {most}")
            elif cost.high > most:
                problems.append(f"{name}, {way}: {cost} the plain step, which may be more than {most} or not")
    return problems


def table(found: Mapping[str, dict[str, list[float]] | str]) -> str:
    """The costs as Markdown, a row a variant: medians with quartiles, ratios with their interval."""
    told = costs(found)
    lines = [
        "| | eager, ms | eager | graph replay, ms | graph replay | rounds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, ways in found.items():
        if isinstance(ways, str):
            lines.append(f"| {name} | {ways} | | | | |")
            continue
        cells = [cell for way in ("eager", "graph") for cell in _cells(ways, way, told.get(name, {}))]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {max(map(len, ways.values()))} |")
    return "\n".join(lines) + "\n"


def _cells(ways: Mapping[str, list[float]], way: str, told: Mapping[str, Spread]) -> tuple[str, str]:
    if not ways.get(way):
        return ("no graphs", "") if way not in ways else ("no round", "")
    spent = Spread.of(ways[way])
    return f"{spent.median:.3f} ({spent.lower:.3f} to {spent.upper:.3f})", str(
        told[way]
    ) if way in told else ""


def write(found: Found, folder: Path) -> None:
    """The figures of every round, and the table."""
    told = {name: {way: vars(cost) for way, cost in ways.items()} for name, ways in costs(found).items()}
    document = {"milliseconds": found, "ratios": told}
    (folder / "fences.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / "fences.md").write_text(table(found), encoding="utf-8")


def main() -> int:
    """0 if red zones and electric fences are shown to stay within MOST."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for fences.json and logs")
    parser.add_argument("--only", help="variants, between semicolons")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=400.0, help="after which no round begins")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=list(VARIANTS), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        return work(chosen.work, chosen.device)
    names = chosen.only.split(";") if chosen.only else list(VARIANTS)
    if strangers := [name for name in names if name not in VARIANTS]:
        parser.error(f"no variant {strangers[0]!r}: there are {', '.join(VARIANTS)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    found = measure(names, chosen.device, chosen.steps, chosen.rounds, chosen.out, chosen.seconds)
    write(found, chosen.out)
    print(table(found))
    problems = judged(costs(found))
    print("\n".join(problems) or "fences stay within their bounds")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
