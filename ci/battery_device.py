"""Runs the planted battery on a GPU, under each detector of device memory: who finds what, and in what time.

Writes battery.json and battery.md into OUT. A program that ends its process's CUDA context (an
illegal access, a device assertion) ends that worker; the rest of its share goes on in a new one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PLAIN, CANARIES, ELECTRIC, INDICES = "plain", "canaries", "electric", "indices"
SANITIZER, PADDED = "sanitizer", "sanitizer-padded"
MODES = (PLAIN, CANARIES, ELECTRIC, INDICES, SANITIZER, PADDED)
HEADS = {
    PLAIN: "no tool",
    CANARIES: "red zones",
    ELECTRIC: "electric fence",
    INDICES: "index checks",
    SANITIZER: "compute-sanitizer",
    PADDED: "compute-sanitizer, padded, no caching",
}
COMPILED = {"REFAULT_BATTERY_DEVICE": "1", "TRITON_ALLOW_NON_CONSTEXPR_GLOBALS": "1"}
"""Has the battery's kernels compiled; Triton takes their type annotations for globals that they use."""
POISONED = 77
"""Exit status of a worker whose CUDA context is gone."""
WITHIN = 120
"""Seconds that one worker may take for what is left of its share."""
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
    battery.ctypes = types.SimpleNamespace(memset=_poke)
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
    """The faults of one run, and the error it ended with."""
    import torch

    from harness.memory.outputs import uninitialised
    from harness.memory.strays import Strays

    strays = Strays()
    error = None
    found = []
    try:
        with _detector(mode, strays, file):
            outputs = program.run(planted)
            torch.cuda.synchronize()
        if mode in (CANARIES, INDICES, ELECTRIC):
            found = list(uninitialised(outputs))
    except Exception as raised:  # noqa: BLE001 - whatever ends a program is what is asked for here
        error = f"{type(raised).__name__}: {str(raised).splitlines()[0] if str(raised) else ''}"
        error += _last_kernel()
    return [fault.to_json() for fault in [*strays.faults(), *found]], error


_LAUNCHED: list[str] = []


def _last_kernel() -> str:
    return f" [after {_LAUNCHED[-1]}]" if _LAUNCHED else ""


@contextlib.contextmanager
def _detector(mode: str, strays: Any, file: Path) -> Iterator[None]:
    import torch

    from harness.memory import dispatch
    from harness.memory.device.driver import CUDA, DriverMemory
    from harness.memory.device.fences import DeviceFences
    from harness.memory.device.ledger import Ledger
    from harness.memory.device.memory import AllocatorSource, GuardedSource
    from harness.memory.device.named import NamedAllocations

    _LAUNCHED.clear()
    if mode == PLAIN:
        yield
        return
    device = torch.device("cuda", 0)
    ledger = Ledger(file)
    if mode in (SANITIZER, PADDED):
        named = NamedAllocations(device, ledger, reach=256)
        with dispatch.checked(_allocations_only(strays, named)):
            yield
        return
    electric = mode == ELECTRIC
    source = GuardedSource(device, DriverMemory(CUDA, 0)) if electric else AllocatorSource(device)
    fences = DeviceFences(strays, source, ledger=ledger)
    checks = _all_checks(strays, fences) if mode == INDICES else _allocations_only(strays, fences)
    with _after_launches(fences.check), dispatch.checked(checks):
        try:
            yield
        finally:
            fences.check()


def _all_checks(strays: Any, fences: Any) -> Any:
    from harness.memory.dispatch import TorchChecks
    from harness.tests.memory.battery import ROOT as TREE

    return TorchChecks(str(TREE), strays, [], fences)


def _allocations_only(strays: Any, fences: Any) -> Any:
    from harness.memory.allocations import ALLOCATORS
    from harness.memory.dispatch import TorchChecks
    from harness.tests.memory.battery import ROOT as TREE

    class Allocations(TorchChecks):
        def _choose(self, func: Any) -> Any:
            return self._allocate if func.overloadpacket.__name__ in ALLOCATORS else None

    return Allocations(str(TREE), strays, [], fences)


@contextlib.contextmanager
def _after_launches(check: Callable[[str], None]) -> Iterator[None]:
    """Look at the zones behind every Triton launch of the program, so that the guilty one is named."""
    from triton import knobs

    def entered(metadata: Any) -> None:
        if (name := metadata.get()["name"]) != "sweep":
            _LAUNCHED.append(name)

    def ended(metadata: Any) -> None:
        if (name := metadata.get()["name"]) != "sweep":
            check(name)

    knobs.runtime.launch_enter_hook.add(entered)
    knobs.runtime.launch_exit_hook.add(ended)
    try:
        yield
    finally:
        knobs.runtime.launch_enter_hook.remove(entered)
        knobs.runtime.launch_exit_hook.remove(ended)


# --- in the parent ---------------------------------------------------------------------------


def run_mode(mode: str, items: Sequence[str], folder: Path, lanes: int) -> dict[str, dict[str, Any]]:
    """Every item of the battery under one detector, by item."""
    shares = [items[lane::lanes] for lane in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        jobs = [
            pool.submit(_run_share, mode, share, folder / f"{mode}.{lane}")
            for lane, share in enumerate(shares)
        ]
        told: dict[str, dict[str, Any]] = {}
        for job in jobs:
            told |= job.result()
    return told


def _run_share(mode: str, share: Sequence[str], out: Path) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = {}
    left, worker = list(share), 0
    while left:
        part = out.with_name(f"{out.name}.{worker}.jsonl")
        log, ended = _worker(mode, left, part)
        lines = [json.loads(line) for line in part.read_text().splitlines()] if part.exists() else []
        for line in lines:
            if line["state"] == "ended":
                told[line["item"]] = line
        begun = [line["item"] for line in lines]
        if not begun:
            return told | {item: {"error": f"worker died: {log[-300:]}", "faults": []} for item in left}
        if begun[-1] not in told:
            told[begun[-1]] = {
                "error": f"worker ended ({ended}): {log[-300:]}",
                "faults": [],
                "seconds": None,
            }
        if mode in (SANITIZER, PADDED):
            _add_findings(told, log, part)
        left = left[left.index(begun[-1]) + 1 :]
        worker += 1
    return told


def _worker(mode: str, share: Sequence[str], part: Path) -> tuple[str, object]:
    from harness.memory.device import sanitizer

    command = [sys.executable, str(Path(__file__).resolve()), "--work", mode, "--out", str(part), *share]
    environment = {**os.environ, **COMPILED, "PYTHONDONTWRITEBYTECODE": "1"}
    if mode == ELECTRIC:
        environment["CUDA_LAUNCH_BLOCKING"] = "1"
    if mode in (SANITIZER, PADDED):
        tool = sanitizer.executable()
        if tool is None:
            return "UNSUPPORTED: compute-sanitizer is not installed", None
        command = sanitizer.wrapped(command, tool, padded=mode == PADDED)
        environment |= sanitizer.UNCACHED if mode == PADDED else {}
    log = part.with_suffix(".log")
    with log.open("w", encoding="utf-8") as file:
        try:
            ended = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, env=environment, timeout=WITHIN, check=False
            )
            status: object = ended.returncode
        except subprocess.TimeoutExpired:
            status = "time-out"
    return log.read_text(encoding="utf-8", errors="replace"), status


def _add_findings(told: dict[str, dict[str, Any]], log: str, part: Path) -> None:
    """Put what the sanitizer said between two marks into the item that was running."""
    from harness.memory.device import sanitizer
    from harness.memory.device.ledger import Ledger

    for section in log.split(MARK + " ")[1:]:
        item, _, said = section.partition("\n")
        found = list(sanitizer.findings(said.splitlines()))
        if item in told:
            ledger = Ledger.read(_ledger(part, item))
            told[item]["faults"] = [fault.to_json() for fault in sanitizer.faults(found, ledger)]


# --- the table -------------------------------------------------------------------------------


def said(program: Any, planted: Mapping[str, Any] | None, twin: Mapping[str, Any] | None) -> str:
    """One cell: what a detector made of a program and of its twin."""
    if planted is None or twin is None:
        return "not run"
    word = _word(program, planted)
    if twin.get("faults") or twin.get("error"):
        return f"{word}, false alarm"
    return word


def _word(program: Any, told: Mapping[str, Any]) -> str:
    wanted = {(fault.kind, fault.buffer) for fault in program.expected}
    seen = {(fault["kind"], fault.get("buffer")) for fault in told["faults"]}
    if wanted & seen:
        return "found"
    if told["faults"]:
        return "found, otherwise named"
    error = told.get("error") or ""
    if "illegal memory access" in error or "misaligned" in error or "unspecified launch" in error:
        return "faults (illegal access)"
    if "assert" in error:
        return "refused (device assertion)"
    return f"refused ({error.split(':')[0]})" if error else "missed"


def table(results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The battery as Markdown: one row a program, one column a detector, and the seconds of each."""
    from harness.tests.memory.battery import PROGRAMS

    modes = [mode for mode in MODES if mode in results]
    lines = [
        "| program | planted | " + " | ".join(HEADS[mode] for mode in modes) + " |",
        "| --- | --- |" + " --- |" * len(modes),
    ]
    for program in PROGRAMS:
        cells = []
        for mode in modes:
            told = results[mode]
            cells.append(said(program, told.get(f"{program.name}:1"), told.get(f"{program.name}:0")))
        kinds = ", ".join(dict.fromkeys(fault.kind for fault in program.expected))
        lines.append(f"| {program.name} | {kinds} | " + " | ".join(cells) + " |")
    spent = [sum(one.get("seconds") or 0 for one in results[mode].values()) for mode in modes]
    lines.append("| seconds in the programs, both twins | | " + " | ".join(f"{s:.1f}" for s in spent) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """0 if a table was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--lanes", type=int, default=5, help="workers at a time and detector")
    parser.add_argument("items", nargs="*")
    chosen = parser.parse_args()
    if chosen.work:
        return work(chosen.work, chosen.items, chosen.out)
    return battery(chosen.modes.split(","), chosen.out, chosen.lanes)


def battery(modes: Sequence[str], out: Path, lanes: int) -> int:
    from harness.tests.memory.battery import PROGRAMS

    items = [f"{program.name}:{planted}" for program in PROGRAMS for planted in (1, 0)]
    folder = out / "battery"
    folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with ThreadPoolExecutor(len(modes)) as pool:
        jobs = {mode: pool.submit(run_mode, mode, items, folder, lanes) for mode in modes}
        results = {mode: job.result() for mode, job in jobs.items()}
    (out / "battery.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (out / "battery.md").write_text(table(results), encoding="utf-8")
    print(table(results))
    print(f"battery: {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
