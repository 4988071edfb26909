"""Runs the planted battery on a GPU, under each detector of device memory: who finds what, and in what time.

Writes battery.json and battery.md into OUT, anew every few seconds. A program that ends its process's CUDA
context (an illegal access, a device assertion) ends that worker; the rest of its share goes on in a new one.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PLAIN, CANARIES, ELECTRIC, INDICES = "plain", "canaries", "electric", "indices"
SANITIZER, PADDED = "sanitizer", "sanitizer-padded"
MODES = (PLAIN, CANARIES, ELECTRIC, INDICES, SANITIZER, PADDED)
ZONES, NEIGHBOURS, OUTPUTS = "zones", "neighbours", "outputs"
CHECKS, MEMCHECK = "index checks", "memcheck"
"""Who told of a fault."""
COLUMNS: Mapping[str, tuple[str, str]] = {
    "no tool": (PLAIN, ""),
    "red zones": (CANARIES, ZONES),
    "neighbours": (CANARIES, NEIGHBOURS),
    "electric fence": (ELECTRIC, ZONES),
    "index checks": (INDICES, CHECKS),
    "outputs": (CANARIES, OUTPUTS),
    "compute-sanitizer": (SANITIZER, MEMCHECK),
    "compute-sanitizer, padded, no caching": (PADDED, MEMCHECK),
}
"""A column shows what one detector told of in the runs of one mode, and how those runs ended."""
FENCES = ("red zones", "neighbours", "electric fence", "index checks", "outputs")
BEGIN, END = "<!-- device battery: begin -->", "<!-- device battery: end -->"
COMPILED = {"REFAULT_BATTERY_DEVICE": "1", "TRITON_ALLOW_NON_CONSTEXPR_GLOBALS": "1"}
"""Has the battery's kernels compiled; Triton takes their type annotations for globals that they use."""
POISONED = 77
"""Exit status of a worker whose CUDA context is gone."""
WITHIN = 120
"""Seconds that one worker may take for what is left of its share."""
LOOK_EVERY = 5.0
"""Seconds between two tables of a run that goes on."""
MARK = "refault-battery"


# --- in a worker -----------------------------------------------------------------------------


def work(mode: str, share: Sequence[str], out: Path) -> int:
    """Run each `name:planted` of the share; one JSON line each, before and after."""
    import torch
    import triton

    from harness.tests.memory import battery

    torch.set_default_device("cuda")
    torch.zeros(1)
    triton.set_allocator(lambda size, align, stream: torch.empty(size, dtype=torch.int8, device="cuda"))
    vars(battery)["ctypes"] = types.SimpleNamespace(memset=_poke)
    programs = {program.name: program for program in battery.PROGRAMS}
    for item in share:
        name, _, planted = item.partition(":")
        _tell(out, item=item, state="begins")
        print(f"{MARK} {item}", flush=True)
        start = time.perf_counter()
        faults, error = _watched(mode, programs[name], planted == "1", _ledger(out, item))
        _tell(out, item=item, state="ended", faults=faults, error=error, seconds=time.perf_counter() - start)
        if not _alive():
            return POISONED
    return 0


def _ledger(out: Path, item: str) -> Path:
    """Each item's own: addresses are used again by the next one."""
    return out.with_suffix(f".{item.replace(':', '.')}.ledger")


def _tell(out: Path, **facts: Any) -> None:
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


def _alive() -> bool:
    import torch

    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def _poke(address: int, value: int, nbytes: int) -> None:
    """What ctypes.memset is on the CPU: a write behind torch's back."""
    _poke_kernel()[(1,)](address, value, nbytes, BLOCK=64)


def _poke_kernel() -> Any:
    from harness.tests.memory.battery_kernels import poke

    return poke


def _watched(mode: str, program: Any, planted: bool, file: Path) -> tuple[list[dict[str, Any]], str | None]:
    """The faults of one run with who told of them, and the error it ended with."""
    import torch

    from harness.memory.violations import Violations

    violations = {by: Violations() for by in (ZONES, NEIGHBOURS, CHECKS)}
    error = None
    found = []
    torch.manual_seed(0)
    try:
        with _detector(mode, violations, file):
            outputs = program.run(planted)
            torch.cuda.synchronize()
        if mode == CANARIES:
            again = functools.partial(_again, program, planted, file)
            found = [(OUTPUTS, fault) for fault in _wrong_outputs(program, outputs, again)]
    except Exception as raised:  # noqa: BLE001 - whatever ends a program is what is asked for here
        error = f"{type(raised).__name__}: {str(raised).splitlines()[0] if str(raised) else ''}"
        error += _last_kernel()
    found += [(by, fault) for by, seen in violations.items() for fault in seen.faults()]
    return [{**fault.to_json(), "by": by} for by, fault in found], error


def _wrong_outputs(program: Any, outputs: Any, again: Any) -> Iterable[Any]:
    """What the outputs tell of: memory that was never written or lies outside, and the reference."""
    from harness.memory.outputs import compare, joined
    from harness.memory.undefined import dependent, kept
    from harness.tests.memory.battery import EXACT

    wanted = program.reference() if program.reference else {}
    compared = [compare(name, outputs[name], expected, EXACT).faults for name, expected in wanted.items()]
    return joined(dependent(kept(outputs), again).faults, itertools.chain.from_iterable(compared))


def _again(program: Any, planted: bool, file: Path, pattern: Any) -> Any:
    """The outputs under another poison; what is seen on the way has been told."""
    import torch

    from harness.memory.poison import Poison
    from harness.memory.undefined import kept
    from harness.memory.violations import Violations

    violations = {by: Violations() for by in (ZONES, NEIGHBOURS, CHECKS)}
    torch.manual_seed(0)
    with _detector(CANARIES, violations, file, Poison(pattern)):
        outputs = program.run(planted)
        torch.cuda.synchronize()
    return kept(outputs)


_LAUNCHED: list[str] = []


def _last_kernel() -> str:
    return f" [after {_LAUNCHED[-1]}]" if _LAUNCHED else ""


@contextlib.contextmanager
def _detector(mode: str, violations: Mapping[str, Any], file: Path, poison: Any = None) -> Iterator[None]:
    import torch

    from harness.memory import dispatch
    from harness.memory.device.driver import CUDA, DriverMemory
    from harness.memory.device.fences import DeviceFences
    from harness.memory.device.ledger import Ledger
    from harness.memory.device.memory import AllocatorSource, GuardedSource
    from harness.memory.device.named import NamedAllocations
    from harness.memory.dispatch import TorchChecks
    from harness.tests.memory.battery import ROOT as TREE

    _LAUNCHED.clear()
    if mode == PLAIN:
        yield
        return
    device = torch.device("cuda", 0)
    ledger = Ledger(file)
    named = NamedAllocations(device, ledger, reach=256)
    if mode in (SANITIZER, PADDED):
        with dispatch.checked(_allocations_only(named)):
            yield
        return
    if mode == INDICES:
        with dispatch.checked(TorchChecks((str(TREE),), violations[CHECKS], [], named)):
            yield
        return
    electric = mode == ELECTRIC
    source = GuardedSource(device, DriverMemory(CUDA, 0)) if electric else AllocatorSource(device)
    fences = DeviceFences(violations[ZONES], source, ledger=ledger, poison=poison)
    with (
        _around_launches(violations[NEIGHBOURS], fences),
        dispatch.checked(_allocations_only(fences, poison)),
    ):
        try:
            yield
        finally:
            fences.check()


def _allocations_only(fences: Any, poison: Any = None) -> Any:
    """Has allocations fenced and looks at no index."""
    from harness.memory.allocations import ALLOCATORS
    from harness.memory.dispatch import TorchChecks
    from harness.memory.violations import Violations
    from harness.tests.memory.battery import ROOT as TREE

    class Allocations(TorchChecks):
        def _choose(self, func: Any) -> Any:
            return self._allocate if func.overloadpacket.__name__ in ALLOCATORS else None

    return Allocations(str(TREE), Violations(), [], fences, poison=poison)


def _around_launches(violations: Any, fences: Any) -> contextlib.AbstractContextManager[None]:
    """Look at the zones behind every Triton launch of the program, so that the guilty one is named."""
    from harness.memory.device import launches

    def entered(name: str) -> None:
        fences.retire()
        _LAUNCHED.append(name)

    return launches.checked(
        launches.Launches(violations, None, entered, after=lambda name, tensors: fences.check(name))
    )


# --- in the parent ---------------------------------------------------------------------------


class Workers:
    """The processes of a run. Once it is stopped no further one begins, and those that run are ended."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.stopped = False

    def run(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> object:
        """Its exit status, "time-out", or None where the run is stopped."""
        with log.open("wb") as output:
            child = self._begin(command, environment, output)
            if child is None:
                return None
            try:
                status: object = child.wait(WITHIN)
            except subprocess.TimeoutExpired:
                status = "time-out"
            finally:
                self._end(child)
        return None if self.stopped else status

    def stop(self) -> None:
        with self._lock:
            self.stopped = True
            running = list(self._running)
        for child in running:
            self._kill(child)

    def _begin(self, command: Sequence[str], environment: Mapping[str, str], output: Any) -> Any:
        with self._lock:
            if self.stopped:
                return None
            child = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, start_new_session=True
            )
            self._running.add(child)
            return child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        self._kill(child)  # compute-sanitizer would leave the one that it watches
        child.wait()
        with self._lock:
            self._running.discard(child)

    @staticmethod
    def _kill(child: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def run_share(mode: str, lane: int, share: Sequence[str], folder: Path, workers: Workers) -> None:
    """Every item of a lane's share under one detector, by one worker after another; all goes into files."""
    left, number = list(share), 0
    while left and not workers.stopped:
        part = folder / f"{mode}.{lane}.{number:03}.jsonl"
        status = _worker(mode, left, part, workers)
        if workers.stopped:
            return
        begun = [line["item"] for line in _lines(part)]
        told = {"status": status, "left": left if not begun else []}
        part.with_suffix(".end").write_text(json.dumps(told), encoding="utf-8")
        if not begun:
            return
        left = left[left.index(begun[-1]) + 1 :]
        number += 1


def _worker(mode: str, share: Sequence[str], part: Path, workers: Workers) -> object:
    from harness.memory.device import sanitizer

    command = [sys.executable, str(Path(__file__).resolve()), "--work", mode, "--out", str(part), *share]
    environment = {**os.environ, **COMPILED, "PYTHONDONTWRITEBYTECODE": "1"}
    log = part.with_suffix(".log")
    if mode == ELECTRIC:
        environment["CUDA_LAUNCH_BLOCKING"] = "1"
    if mode in (SANITIZER, PADDED):
        tool = sanitizer.executable()
        if tool is None:
            log.write_text("UNSUPPORTED: compute-sanitizer is not installed", encoding="utf-8")
            return None
        command = sanitizer.wrapped(command, tool, padded=mode == PADDED)
        environment |= sanitizer.UNCACHED if mode == PADDED else {}
    return workers.run(command, environment, log)


def _lines(part: Path) -> list[dict[str, Any]]:
    """What a worker told so far; its last line may be on its way."""
    if not part.exists():
        return []
    return [json.loads(line) for line in part.read_text(encoding="utf-8").split("\n")[:-1]]


def collected(mode: str, folder: Path) -> dict[str, dict[str, Any]]:
    """What is known of every item under one detector by now, from the workers' files."""
    told: dict[str, dict[str, Any]] = {}
    for log in sorted(folder.glob(f"{mode}.*.log")):
        told |= _of_worker(mode, log.with_suffix(".jsonl"))
    return told


def _of_worker(mode: str, part: Path) -> dict[str, dict[str, Any]]:
    lines, end = _lines(part), part.with_suffix(".end")
    log = part.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    told = {line["item"]: line for line in lines if line["state"] == "ended"}
    if mode in (SANITIZER, PADDED):
        _add_findings(told, log, part)
    if not end.exists():
        return told
    ended = json.loads(end.read_text(encoding="utf-8"))
    for item in ended["left"]:
        told[item] = {"error": f"worker died: {log[-300:]}", "faults": [], "seconds": None}
    if lines and lines[-1]["item"] not in told:
        error = f"worker ended ({ended['status']}): {log[-300:]}"
        told[lines[-1]["item"]] = {"error": error, "faults": [], "seconds": None}
    return told


def _add_findings(told: dict[str, dict[str, Any]], log: str, part: Path) -> None:
    """Put what the sanitizer said between two marks into the item that was running."""
    from harness.memory.device import sanitizer
    from harness.memory.device.ledger import Ledger

    for section in log.split(MARK + " ")[1:]:
        item, _, said = section.partition("\n")
        found = list(sanitizer.findings(said.splitlines()))
        if item in told:
            ledger = Ledger.read(_ledger(part, item))
            told[item]["faults"] = [
                {**fault.to_json(), "by": MEMCHECK} for fault in sanitizer.faults(found, ledger)
            ]


# --- the table -------------------------------------------------------------------------------


def said(program: Any, column: str, told: Mapping[str, Mapping[str, Any]]) -> str:
    """One cell: what a detector made of a program and of its twin, from the runs of its mode."""
    planted, twin = told.get(f"{program.name}:1"), told.get(f"{program.name}:0")
    if planted is None or twin is None:
        return "not run"
    by = COLUMNS[column][1]
    word = _word(program, planted, by)
    if _faults(twin, by) or twin.get("error"):
        return f"{word}, false alarm"
    return word


def _faults(told: Mapping[str, Any], by: str) -> list[Mapping[str, Any]]:
    return [fault for fault in told["faults"] if fault["by"] == by]


def _word(program: Any, told: Mapping[str, Any], by: str) -> str:
    wanted = {(fault.kind, fault.buffer) for fault in program.expected}
    found = _faults(told, by)
    if wanted & {(fault["kind"], fault.get("buffer")) for fault in found}:
        return "found"
    if found:
        return "found, otherwise named"
    error = told.get("error") or ""
    if "illegal memory access" in error or "misaligned" in error or "unspecified launch" in error:
        return "illegal access"
    if "assert" in error:
        return "device assertion"
    if "worker ended (6)" in error:
        return "process aborted"
    return f"refused ({error.split(':')[0]})" if error else "missed"


def table(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The battery as Markdown: one row a program, one column a detector, and the seconds of each."""
    from harness.tests.memory.battery import PROGRAMS

    columns = [column for column, (mode, _) in COLUMNS.items() if mode in results]
    lines = [
        "| program | planted | " + " | ".join(columns) + " |",
        "| --- | --- |" + " --- |" * len(columns),
    ]
    for program in PROGRAMS:
        cells = [said(program, column, results[COLUMNS[column][0]]) for column in columns]
        kinds = ", ".join(dict.fromkeys(fault.kind for fault in program.expected))
        lines.append(f"| {program.name} | {kinds} | " + " | ".join(cells) + " |")
    spent = [seconds(results[COLUMNS[column][0]]) for column in columns]
    lines.append("| seconds in the programs, both twins | | " + " | ".join(f"{s:.1f}" for s in spent) + " |")
    return "\n".join(lines) + "\n\n" + summary(results)


def seconds(told: Mapping[str, Mapping[str, Any]]) -> float:
    return sum(one.get("seconds") or 0 for one in told.values())


def summary(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """In one paragraph: how many each column finds, and which programs with a stray access no fence does."""
    from harness.tests.memory.battery import PROGRAMS

    shown: dict[str, dict[str, str]] = {
        column: {program.name: said(program, column, results.get(mode, {})) for program in PROGRAMS}
        for column, (mode, _) in COLUMNS.items()
    }
    ended = {name for name, cell in shown["no tool"].items() if cell != "missed"}
    found = {
        column: {name for name, cell in cells.items() if not cell.startswith(("missed", "not run"))}
        - (ended if column in FENCES else set())
        | {name for name, cell in cells.items() if cell.startswith("found")}
        for column, cells in shown.items()
    }
    alarms = sum(cell.endswith("false alarm") for cells in shown.values() for cell in cells.values())
    ours = set().union(ended, *(found[column] for column in FENCES))
    violation = [p.name for p in PROGRAMS if any(fault.kind in _STRAY for fault in p.expected)]
    missed = [name for name in violation if name not in ours]
    counts = ", ".join(f"{column} {len(names)}" for column, names in found.items())
    left = ", ".join(missed) or "none"
    return (
        f"Of {len(PROGRAMS)} programs show: {counts}; false alarms: {alarms}. Of the {len(violation)} with a "
        f"stray access, fences, index checks and outputs together miss {len(missed)}: {left}.\n"
    )


_STRAY = ("oob-read", "oob-write", "index-range")


def facts() -> str:
    """The machine and the tools of a run, in one line."""
    import torch
    import triton

    from harness.machine import nvidia
    from harness.memory.device import sanitizer

    gpu = nvidia.gpu()
    tool = sanitizer.version() or "no compute-sanitizer"
    name = f"{gpu.name}, driver {gpu.driver}" if gpu else "no GPU"
    return f"{name}, torch {torch.__version__}, Triton {triton.__version__}, {tool}"


def into(document: Path, text: str) -> None:
    """Put a table between the document's marks."""
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{document}: no {BEGIN} and {END}: put them where the table is to go")
    document.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def main() -> int:
    """0 if every item ran and a table was written; 130 where it was interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--lanes", type=int, default=5, help="workers at a time and detector")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all of it")
    parser.add_argument("--docs", type=Path, help="rewrite this document's table from OUT's last run")
    parser.add_argument("items", nargs="*")
    chosen = parser.parse_args()
    if chosen.docs:
        told = json.loads((chosen.out / "battery.json").read_text(encoding="utf-8"))
        into(chosen.docs, f"{told['facts']}.\n\n{table(told['results'])}")
        return 0
    if chosen.work:
        return work(chosen.work, chosen.items, chosen.out)
    return battery(chosen.modes.split(","), chosen.out, chosen.lanes, chosen.seconds)


def battery(modes: Sequence[str], out: Path, lanes: int, within: float) -> int:
    """Run every item under every detector, and write the table as it grows."""
    from harness.tests.memory.battery import PROGRAMS

    items = [f"{program.name}:{planted}" for program in PROGRAMS for planted in (1, 0)]
    folder = out / "battery"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start, workers, code = time.monotonic(), Workers(), 0
    before = signal.signal(signal.SIGTERM, _interrupted)
    told = Told(facts(), modes, len(items), out, folder)
    with ThreadPoolExecutor(len(modes) * lanes) as pool:
        jobs = [
            pool.submit(run_share, mode, lane, items[lane::lanes], folder, workers)
            for mode in modes
            for lane in range(lanes)
        ]
        try:
            while (left := within - (time.monotonic() - start)) > 0:
                if not wait(jobs, timeout=min(LOOK_EVERY, left)).not_done:
                    break
                told.write()
        except KeyboardInterrupt:
            code = 130
        finally:
            workers.stop()
            signal.signal(signal.SIGTERM, before)
    for job in jobs:
        job.result()
    results = told.write()
    print(told.facts, table(results), sep="\n")
    known = sum(map(len, results.values()))
    print(f"battery: {known} of {len(items) * len(modes)} items in {time.monotonic() - start:.0f} s")
    return code or int(known < len(items) * len(modes))


def _interrupted(number: int, frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Told:
    """The tables of a run, made anew from its files whenever they are written."""

    facts: str
    modes: Sequence[str]
    items: int
    out: Path
    folder: Path

    def write(self) -> dict[str, dict[str, dict[str, Any]]]:
        results = {mode: collected(mode, self.folder) for mode in self.modes}
        told = {"facts": self.facts, "results": results}
        _put(self.out / "battery.json", json.dumps(told, indent=1))
        _put(self.out / "battery.md", table(results))
        counts = ", ".join(f"{mode} {len(known)}/{self.items}" for mode, known in results.items())
        print(counts, flush=True)
        return results


def _put(file: Path, text: str) -> None:
    """Whole or not at all: whoever stops the run takes what is there."""
    draft = file.with_name(f".{file.name}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)


if __name__ == "__main__":
    sys.exit(main())
