"""Holds what Refault reads of AMD's GPUs against what ROCm itself says of them: ok or DIFFERS, a line each.

Only a machine with one can run it. OUT gets kfd.json, the nodes as the driver publishes them: with that,
the machine can be one of those that the tests know (harness/tests/machine/kfd.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

WITHIN = 120
"""Seconds for one process."""
NODES = Path("/sys/class/kfd/kfd/topology/nodes")
VIEW = """
import json
import torch
seen = []
for number in range(torch._C._cuda_getDeviceCount()):  # torch.cuda's own counts by another library
    told = torch.cuda.get_device_properties(number)
    place = [getattr(told, name, None) for name in ("pci_domain_id", "pci_bus_id")]
    seen.append([told.gcnArchName.partition(":")[0], *place])
print(json.dumps(seen))
"""
"""What torch sees through HIP: architecture, PCI domain and bus of each GPU."""
STRAY = """
import torch
from harness.memory.device.driver import HIP, DriverMemory
from harness.memory.device.memory import GuardedSource, exposed
device = torch.device("cuda", 0)
torch.zeros(1, device=device)
memory = DriverMemory(HIP, 0)
region = GuardedSource(device, memory).take(4096)
region.view(0, 4096).fill_(7)
torch.cuda.synchronize()
print("granularity", memory.granularity, flush=True)
exposed(region.address, 2 * memory.granularity, device, region).fill_(7)
torch.cuda.synchronize()
print("NOTHING STOPPED IT")
"""
"""A store over the end of a buffer with an electric fence."""
HIDES: Sequence[Mapping[str, str]] = (
    {},
    {"HIP_VISIBLE_DEVICES": "-1"},
    {"HIP_VISIBLE_DEVICES": "0"},
    {"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": ""},
    {"CUDA_VISIBLE_DEVICES": "0"},
    {"HIP_VISIBLE_DEVICES": "1,0"},
    {"HIP_VISIBLE_DEVICES": "0, 1"},
    {"HIP_VISIBLE_DEVICES": "0,x,1"},
    {"ROCR_VISIBLE_DEVICES": ""},
    {"ROCR_VISIBLE_DEVICES": "0"},
    {"ROCR_VISIBLE_DEVICES": "1, 0"},
    {"ROCR_VISIBLE_DEVICES": "1,0", "HIP_VISIBLE_DEVICES": "1"},
)
"""Ways to choose; where they name GPUs that are not there, that is one, too."""


@dataclass(frozen=True)
class Compared:
    """What is expected of ROCm, and what was seen."""

    name: str
    expected: object
    seen: object

    @property
    def ok(self) -> bool:
        return self.expected == self.seen

    @property
    def line(self) -> str:
        if self.ok:
            return f"ok       {self.name}: {self.seen}"
        return f"DIFFERS  {self.name}: expected {self.expected}, seen {self.seen}"


def main() -> int:
    """0 if everything is as Refault has it."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for kfd.json")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    (out / "kfd.json").write_text(json.dumps(nodes(NODES), indent=1) + "\n", encoding="utf-8")
    failed = 0
    for one in compared():
        print(one.line, flush=True)
        failed += not one.ok
    return 1 if failed else 0


def compared() -> Iterator[Compared]:
    """Everything in turn, what is quick first."""
    from harness.host import environment
    from harness.machine import this_machine

    plain = {name: value for name, value in os.environ.items() if not name.endswith("VISIBLE_DEVICES")}
    machine = this_machine()
    yield Compared("kind of machine", "rocm", machine.host)
    for hides in HIDES:
        told = " ".join(f"{name}={value!r}" for name, value in hides.items())
        yield Compared(told or "nothing hidden", expected({**plain, **hides}), seen({**plain, **hides}))
    on_the_cpu = environment.merged(environment.CPU_KERNELS, {})
    yield Compared("an arm on the CPU", [], seen(on_the_cpu))
    yield fence()


def expected(variables: Mapping[str, str]) -> list[list[Any]]:
    """What Refault takes a process with these variables to see, in the form of `seen`."""
    from harness.machine import amd, hip_visible

    shown = (one.gpu for one in hip_visible.visible(amd.usable(), variables))
    return [[gpu.architecture, gpu.card[0], gpu.card[1] >> 5] for gpu in shown]


def seen(variables: Mapping[str, str]) -> object:
    """What torch sees there; the end of what it said where it said nothing else."""
    code, said = _run(VIEW, variables)
    return json.loads(said.splitlines()[-1]) if not code else f"exit {code}: {said[-300:]}"


def fence() -> Compared:
    """Whether a store behind an electric fence ends the process in words that Refault reads as a fault."""
    from harness.serving import signs

    code, said = _run(STRAY, os.environ)
    print("\n".join(said.splitlines()[-12:]), flush=True)
    kinds = [found[1].kind for line in said.splitlines() if (found := signs.of(line))]
    return Compared(
        "a store behind an electric fence", (True, "device-fault"), (code != 0, (kinds or ["none"])[0])
    )


def nodes(folder: Path) -> dict[str, dict[str, str]]:
    """Each node's files as they are; none on a machine without the driver."""
    found: dict[str, dict[str, str]] = {}
    for node in sorted(folder.glob("*"), key=lambda path: int(path.name)):
        found[node.name] = {name: _text(node / name) for name in ("gpu_id", "name", "properties")}
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        return f"not to be read: {error.strerror}"


def _run(script: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """Exit status, and everything that was said; a fault of the GPU's can take a while to end a process."""
    whole = {**variables, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=whole,
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 0, f"nothing within {WITHIN} s"
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
