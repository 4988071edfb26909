"""Runs the battery of graphs on a GPU under `torch.cuda.graph`, and emulated: do they agree in every bit?

Each program and its correct twin runs on the device, in the recorder on the CPU inside the oracle, and
without any graph. OUT/runs.jsonl grows as runs end; OUT/graphs.md and OUT/graphs.json tell of all. It ends
with 1 where a machine disagrees with one that it has to agree with. `--rehearse` takes the recorder for the
device. `--table` writes the battery's table into docs/graphs.md and runs nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

DOCUMENT = ROOT / "docs" / "graphs.md"
BEGIN, END = "<!-- graphs battery: begin -->\n", "<!-- graphs battery: end -->"
DEVICE, EMULATED, EAGER = "device", "emulated", "eager"
COMPILED = {"REFAULT_BATTERY_DEVICE": "1", "TRITON_ALLOW_NON_CONSTEXPR_GLOBALS": "1"}
"""Has the kernels compiled; Triton takes their type annotations for globals that they use."""
WITHIN = 240
"""Seconds that one worker may take for what is left of its share."""
SHOWN = 16
"""Elements of an output that are told one by one."""
REFUSED = "captur"
"""In whatever a device says when it refuses."""
STOPPED = ("device-side assert", "index out of range")
"""In what a device, and torch on a CPU, say of a stray index."""

Item = tuple[str, bool]


@dataclass(frozen=True)
class Ran:
    """One run of a program: its outputs bit by bit or the error that ended it, and the oracle's faults."""

    machine: str
    name: str
    planted: bool
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    faults: Sequence[str] = ()


# --- in a worker -----------------------------------------------------------------------------


def work(machine: str, share: Sequence[Item], out: Path, rehearse: bool) -> int:
    """Run the share, one JSON line each; 1 behind a defect that may leave traces in the process."""
    import torch

    from harness.tests.memory import machines
    from harness.tests.memory.graphs.battery import PROGRAMS, OnDevice

    device = machines.Emulated if rehearse else machines.Device
    runs_on = {DEVICE: device, EMULATED: machines.Emulated, EAGER: machines.Eager}[machine]()
    programs = {program.name: program for program in PROGRAMS}
    for name, planted in share:
        torch.manual_seed(0)
        ran = _ran(machine, programs[name], planted, runs_on)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(ran)) + "\n")
        if ran.error or (planted and programs[name].on_device is not OnDevice.BITS):
            return 1
    return 0


def _ran(machine: str, program: Any, planted: bool, runs_on: Any) -> Ran:
    from harness.memory.oracle import Oracle
    from harness.tests.memory.graphs import battery

    oracle, root = Oracle(traced=False), Path(battery.__file__).parent
    watching = oracle.watching(root, lambda kernel: None) if machine == EMULATED else contextlib.nullcontext()
    bits, error = dict[str, Any](), None
    try:
        with watching:
            outputs = program.run(runs_on, planted)
        bits = {name: _bits(value) for name, value in outputs.items()}
    except Exception as raised:  # noqa: BLE001 - whatever ends a program is what is asked for here
        error = f"{type(raised).__name__}: {raised}".splitlines()[0]
    return Ran(
        machine, program.name, planted, bits, error, [one.signature for one in oracle.violations.faults()]
    )


def _bits(value: Any) -> dict[str, Any]:
    tensor = value.detach().cpu().contiguous()
    digest = hashlib.sha256(tensor.view(-1).numpy().tobytes()).hexdigest()
    told = {"dtype": str(tensor.dtype), "shape": list(tensor.shape), "sha256": digest}
    return told | ({"values": repr(tensor.tolist())} if tensor.numel() <= SHOWN else {})


# --- around the workers ----------------------------------------------------------------------


def runs(machine: str, out: Path, rehearse: bool) -> list[Ran]:
    """Every program and twin on one machine, in as few processes as the defects allow; eagerly the twins."""
    from harness.tests.memory.graphs.battery import PROGRAMS

    which = (False,) if machine == EAGER else (False, True)
    left: list[Item] = [(program.name, planted) for planted in which for program in PROGRAMS]
    found: list[Ran] = []
    while left:
        share = out / f"{machine}.{len(left)}.jsonl"
        why = _worker(machine, left, share, rehearse)
        told = [Ran(**json.loads(line)) for line in _lines(share)]
        if len(told) < len(left) and why:
            told.append(Ran(machine, *left[len(told)], error=why))
        found += told
        left = left[len(told) :]
        _keep(out, told)
    return found


def _worker(machine: str, share: Sequence[Item], out: Path, rehearse: bool) -> str | None:
    """Run one worker to its end; why it told less than it was to, if it did not say so itself."""
    ours = {} if rehearse or machine != DEVICE else COMPILED
    command = [sys.executable, __file__, "--work", machine, "--share", json.dumps(share), "--out", str(out)]
    command += ["--rehearse"] if rehearse else []
    with out.with_suffix(".log").open("w", encoding="utf-8") as log:
        try:
            ended = subprocess.run(
                command, env={**os.environ, **ours}, stdout=log, stderr=log, timeout=WITHIN, check=False
            )
        except subprocess.TimeoutExpired:
            return f"ended by the clock after {WITHIN} s"
    told = any(_lines(out))
    return None if told and ended.returncode in (0, 1) else f"the process ended with {ended.returncode}"


def _lines(file: Path) -> Iterator[str]:
    if file.exists():
        yield from file.read_text(encoding="utf-8").splitlines()


def _keep(out: Path, told: Sequence[Ran]) -> None:
    with (out / "runs.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(ran)) + "\n" for ran in told)
    for ran in told:
        which = "planted" if ran.planted else "twin"
        print(f"{ran.machine:<9} {ran.name:<26} {which:<8} {ran.error or 'ran'}", flush=True)


# --- agreement -------------------------------------------------------------------------------


def judged(program: Any, found: Mapping[tuple[str, bool], Ran]) -> tuple[str, str]:
    """What the machines make of a program's twin and of its defect; `DISAGREES` where they must not."""
    twin = [found[machine, False] for machine in (DEVICE, EMULATED, EAGER)]
    clean = all(one.error is None and one.outputs == twin[0].outputs and not one.faults for one in twin)
    defect = _of_defect(program, found[DEVICE, True], found[EMULATED, True])
    return "agree" if clean else _disagree(twin), defect


def _of_defect(program: Any, device: Ran, emulated: Ran) -> str:
    from harness.tests.memory.graphs.battery import OnDevice

    kind = program.on_device
    if kind is OnDevice.UNDEFINED:  # it may show anything
        return f"{kind}: {device.error or _values(device)}"
    if kind is OnDevice.BITS:
        same = device.error is None and device.outputs == emulated.outputs
    elif kind is OnDevice.REFUSED:
        same = all(REFUSED in (one.error or "") for one in (device, emulated))
    else:
        same = any(word in (device.error or "") for word in STOPPED)
    return str(kind) if same else _disagree((device, emulated))


def _values(ran: Ran) -> str:
    return ", ".join(f"{name} {one.get('values', one['sha256'][:12])}" for name, one in ran.outputs.items())


def _disagree(shown: Sequence[Ran]) -> str:
    said = (f"{one.machine} {one.error or _values(one)} {'; '.join(one.faults)}".strip() for one in shown)
    return f"DISAGREES: {', '.join(said)}"


def tell(out: Path, found: Sequence[Ran], about: str) -> int:
    """Write the table; 1 where some machine disagrees."""
    from harness.tests.memory.graphs.battery import PROGRAMS

    by_name = {p.name: {(r.machine, r.planted): r for r in found if r.name == p.name} for p in PROGRAMS}
    rows = {program.name: (program.plants, *judged(program, by_name[program.name])) for program in PROGRAMS}
    (out / "graphs.json").write_text(json.dumps({"about": about, "rows": rows}, indent=2), encoding="utf-8")
    lines = [about, "", "| program | planted | the twin | the defect |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    (out / "graphs.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    wrong = [name for name, cells in rows.items() if any(cell.startswith("DISAGREES") for cell in cells)]
    agree = f"{len(rows) - len(wrong)} of {len(rows)} programs agree"
    print(f"{about}\n{agree}; {', '.join(wrong) or 'none disagrees'}")
    return 1 if wrong else 0


def table() -> str:
    """What is planted, what the emulation tells of it, and what a device is expected to make of it."""
    from harness.tests.memory.graphs.battery import PROGRAMS

    head = ["| program | planted | told | on a device |", "| --- | --- | --- | --- |"]
    rows = (f"| {p.name} | {p.plants} | {'<br>'.join(p.expected)} | {p.on_device} |" for p in PROGRAMS)
    return "\n".join([*head, *rows]) + "\n"


def documented(text: str) -> str:
    """The document with the table of this battery in it."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


def _about(rehearse: bool) -> str:
    import torch
    import triton

    name = "The recorder itself, as a rehearsal" if rehearse else torch.cuda.get_device_name(0)
    return f"{name}, torch {torch.__version__}, Triton {triton.__version__}."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--out", type=Path, help="a new folder for the results")
    asked.add_argument("--table", action="store_true", help="rewrite the battery's table in docs/graphs.md")
    parser.add_argument("--rehearse", action="store_true", help="without a GPU: take the recorder for one")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--share", type=json.loads, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        # at once: a heap that a defect went over would abort on the way out
        os._exit(work(chosen.work, chosen.share, chosen.out, chosen.rehearse))
    if chosen.table:
        DOCUMENT.write_text(documented(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
        return 0
    chosen.out.mkdir(parents=True)
    machines = (EMULATED, EAGER, DEVICE)
    found = [ran for machine in machines for ran in runs(machine, chosen.out, chosen.rehearse)]
    return tell(chosen.out, found, _about(chosen.rehearse))


if __name__ == "__main__":
    sys.exit(main())
