"""Runs Triton-Viz's sanitizer on the oracle's workloads and battery, in a process of its own.

It rewires the interpreter of its process, so that nothing else should be measured there.
`run` starts that process; where Triton-Viz is not installed it says so and returns None.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 900
MISSING = 'triton_viz is not installed (`pip install "refault[bench]"`): its column is left out'
ROOT = Path(__file__).resolve().parents[2]


def run(what: str, *words: str) -> Mapping[str, Any] | None:
    """Results by name; None, with a line on stderr, if there are none.

    `what` is `costs` or, with a number of programs, `launches` (seconds), or `battery` (words).
    """
    if importlib.util.find_spec("triton_viz") is None:
        print(f"bench: {MISSING}", file=sys.stderr)
        return None
    command = [sys.executable, str(Path(__file__).resolve()), what, *words]
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, timeout=LIMIT_SECONDS, text=True, check=False)
    except subprocess.TimeoutExpired:
        print(f"bench: Triton-Viz took more than {LIMIT_SECONDS} s: its column is left out", file=sys.stderr)
        return None
    if ended.returncode:
        print(
            f"bench: Triton-Viz's process ended with {ended.returncode}: its column is left out",
            file=sys.stderr,
        )
        return None
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@contextmanager
def traced(module_name: str, kernels: Sequence[str]) -> Iterator[list[Any]]:
    """Put the sanitizer around these kernels; yields its clients, which keep what they find."""
    import triton_viz
    from triton_viz.clients import Sanitizer
    from triton_viz.clients.sanitizer import sanitizer

    # It passes over launches whose like it has seen, in whatever program that was.
    sanitizer._fn_symbolic_cache_set.clear()
    module = importlib.import_module(module_name)
    plain = {name: getattr(module, name) for name in kernels}
    clients = [Sanitizer(abort_on_error=False) for _ in kernels]
    for client, (name, kernel) in zip(clients, plain.items(), strict=True):
        setattr(module, name, triton_viz.trace(client)(kernel))
    try:
        yield clients
    finally:
        for name, kernel in plain.items():
            setattr(module, name, kernel)


def _outcome(call: Callable[[], object]) -> str | None:
    """None if the call went through, else in a word why Triton-Viz cannot run it."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it does not support is what is asked for here
        return type(error).__name__
    return None


def costs() -> dict[str, Any]:
    """Seconds for each workload, or why it cannot be run."""
    from ci.bench.oracle_workloads import workloads

    return {workload.name: _seconds(workload, time.perf_counter) for workload in workloads()}


def launches(programs: str) -> dict[str, Any]:
    """Seconds of the processor's time for each launch of so many programs, or why it cannot be run."""
    from ci.bench.oracle_workloads import of_programs

    chosen = of_programs(int(programs))
    return {workload.name: _seconds(workload, time.process_time) for workload in chosen}


def _seconds(workload: Any, clock: Callable[[], float]) -> float | str:
    with traced(workload.module, workload.kernels):
        start = clock()
        problem = _outcome(workload.call)
        return problem or clock() - start


def battery() -> dict[str, Any]:
    """For each program with kernels what the sanitizer says of it and of its twin."""
    from harness.tests.memory.battery import PROGRAMS

    return {program.name: _verdict(program) for program in PROGRAMS if program.kernels}


def _verdict(program: Any) -> str:
    words = [_said(program, planted) for planted in (True, False)]
    if words[0] not in ("silent", "reports"):
        return f"cannot run ({words[0]})"
    found = "found" if words[0] == "reports" else "missed"
    if words[1] == "silent":
        return found
    return f"{found}, false alarm" if words[1] == "reports" else f"{found}, twin cannot run ({words[1]})"


def _said(program: Any, planted: bool) -> str:
    with traced("harness.tests.memory.battery_kernels", program.kernels) as clients:
        problem = _outcome(lambda: program.run(planted))
        reports = sum(len(client.records) for client in clients)
    return problem or ("reports" if reports else "silent")


def main() -> int:
    from harness.host.environment import CPU_KERNELS

    os.environ.update({**CPU_KERNELS, "SGLANG_USE_CPU_ENGINE": "0"})  # else a library is asked for
    warnings.filterwarnings("ignore")
    importlib.import_module("harness.host.preload")
    _, what, *words = sys.argv
    chosen: Callable[..., dict[str, Any]] = {"costs": costs, "launches": launches, "battery": battery}[what]
    print(json.dumps(chosen(*words)))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
