"""compute-sanitizer around a command, and its findings as faults.

Format and options: NVIDIA's Compute Sanitizer manual, "Memcheck". memcheck knows CUDA's allocations,
not torch's: without `padded` it cannot see a write into the rest of one of torch's segments.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.memory.device.ledger import Entry, Ledger
from harness.observation import Fault

PADDING = 512
"""Bytes that `padded` asks for behind every allocation."""
UNCACHED: Mapping[str, str] = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
"""What `padded` needs in the environment: each tensor an allocation of CUDA's own."""

_ACCESS = re.compile(r"Invalid (?P<space>\w+) (?P<what>read|write|atomic) of size (?P<size>\d+) bytes")
_KERNEL = re.compile(r"^at (?:0x[0-9a-f]+ in )?(?P<kernel>[^+(]+?)(?:\(.*\))?\+?(?:0x[0-9a-f]+)?(?: in .*)?$")
_ADDRESS = re.compile(r"(?:Address|Access at|Access to) 0x(?P<address>[0-9a-f]+) is (?P<why>.+)")
_NEAR = re.compile(
    r"and is (?:[\d,]+ bytes (?:before|after)|inside) the nearest allocation at 0x(?P<start>[0-9a-f]+) "
    r"of size (?P<size>[\d,]+) bytes"
)

_VERSION = re.compile(r"^Version (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One access that memcheck refused; `near` is the start and size of CUDA's allocation next to it."""

    what: str
    size: int
    address: int
    kernel: str | None = None
    near: tuple[int, int] | None = None


def executable() -> str | None:
    """Where compute-sanitizer is, or None: the feature `compute-sanitizer` is missing then."""
    beside_toolkit = Path("/usr/local/cuda/bin/compute-sanitizer")
    return shutil.which("compute-sanitizer") or (str(beside_toolkit) if beside_toolkit.exists() else None)


def version() -> str | None:
    """What the tool calls itself, such as `compute-sanitizer 2025.3.1.0`; None without it."""
    tool = executable()
    if tool is None:
        return None
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
    found = _VERSION.search(said)
    return f"compute-sanitizer {found[1]}" if found else "compute-sanitizer"


def wrapped(command: Sequence[str], tool: str, *, padded: bool = False, limit: int = 10_000) -> list[str]:
    """The command under memcheck; `padded` also wants `UNCACHED` in its environment.

    A guilty kernel is stopped and the program goes on, so that one run tells all there is.
    """
    padding = ["--padding", str(PADDING)] if padded else []
    options = ["--destroy-on-device-error", "kernel", "--print-limit", str(limit), "--show-backtrace", "no"]
    return [tool, "--tool", "memcheck", *options, *padding, *command]


def findings(lines: Sequence[str]) -> Iterator[Finding]:
    """What memcheck said, one for each access that it refused; other lines are passed over."""
    said = [line.partition("=========")[2].strip() for line in lines if line.startswith("=========")]
    starts = [number for number, line in enumerate(said) if _ACCESS.search(line)]
    for start, end in itertools.pairwise([*starts, len(said)]):
        finding = _finding(said[start:end])
        if finding is not None:
            yield finding


def _finding(said: Sequence[str]) -> Finding | None:
    access = _ACCESS.search(said[0])
    address = next((found for line in said[1:] if (found := _ADDRESS.search(line))), None)
    if access is None or address is None:
        return None
    near = next((found for line in said[1:] if (found := _NEAR.search(line))), None)
    kernel = next((found for line in said[1:3] if (found := _KERNEL.search(line))), None)
    return Finding(
        what=access["what"],
        size=int(access["size"]),
        address=int(address["address"], 16),
        kernel=kernel["kernel"].strip() if kernel else None,
        near=(int(near["start"], 16), int(near["size"].replace(",", ""))) if near else None,
    )


def faults(found: Sequence[Finding], ledger: Ledger) -> list[Fault]:
    """The findings as faults, one for each kind, buffer and kernel; elements where the buffer is known."""
    grouped: dict[tuple[str, str | None, Entry | None], list[Finding]] = {}
    for finding in found:
        kind = "oob-read" if finding.what == "read" else "oob-write"
        entry = ledger.at(finding.address) or (ledger.at(finding.near[0]) if finding.near else None)
        grouped.setdefault((kind, finding.kernel, entry), []).append(finding)
    return [_fault(kind, kernel, entry, group) for (kind, kernel, entry), group in grouped.items()]


def _fault(kind: str, kernel: str | None, entry: Entry | None, group: Sequence[Finding]) -> Fault:
    if entry is None:
        message = "outside of every allocation that is known"
        return Fault(kind=kind, kernel=kernel, count=len(group), message=message)
    step = entry.itemsize
    touched = {finding.address + byte for finding in group for byte in range(0, finding.size, step)}
    return entry.fault(kind, touched, kernel)
