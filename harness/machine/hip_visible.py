"""Which of a machine's AMD GPUs a process sees, and by which number: the variables as ROCr and HIP read them.

ROCr takes ROCR_VISIBLE_DEVICES first (its `RvdFilter`). HIP numbers what is left and takes
HIP_VISIBLE_DEVICES or, where that is missing or empty, CUDA_VISIBLE_DEVICES (`Device::init` of CLR's
rocdevice.cpp). The two read a list in different ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.machine import amd
from harness.machine.amd import Gpu

ROCR, HIP, CUDA = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"
NONE = "-1"
"""What hides every GPU in HIP_VISIBLE_DEVICES; an empty value hides none."""
_BASES = ((16, re.compile(r"0X[0-9A-F]+")), (8, re.compile(r"0[0-7]*")), (10, re.compile(r"[1-9][0-9]*")))
"""What C's strtol takes for a number of which base."""
_UUID = "GPU-"
_SHORTEST, _LONGEST = 5, 20
"""Characters of a name that ROCr takes for a UUID, or the beginning of one."""


@dataclass(frozen=True, kw_only=True)
class Visible:
    """A GPU that HIP shows, and its `ordinal`: the number by which HIP_VISIBLE_DEVICES asks for it again."""

    ordinal: int
    gpu: Gpu


def visible(gpus: Sequence[Gpu], environment: Mapping[str, str]) -> tuple[Visible, ...]:
    """What a process with these variables sees of the GPUs that it may open, in HIP's order."""
    left = _by_rocr(gpus, environment.get(ROCR))
    asked = environment.get(HIP) or environment.get(CUDA)
    places = _by_hip(left, asked) if asked else range(len(left))
    return tuple(Visible(ordinal=place, gpu=left[place]) for place in places)


def of_this_machine(environment: Mapping[str, str], root: Path = Path("/")) -> tuple[Visible, ...]:
    """The GPUs that a process with these variables can use here, all of one architecture: the first one's.

    `root` stands for the file system in tests.
    """
    return alike(visible(amd.usable(root), environment))


def alike(seen: Sequence[Visible]) -> tuple[Visible, ...]:
    """Those of the first one's architecture: results are of one platform, and a machine can have two."""
    return tuple(one for one in seen if one.gpu.version == seen[0].gpu.version)


def _by_rocr(gpus: Sequence[Gpu], asked: str | None) -> list[Gpu]:
    """In the order asked for; the list ends at the first name that is none, or comes twice. Empty is none."""
    if asked is None:
        return list(gpus)
    found: list[int] = []
    for token in asked.split(",")[: len(gpus)]:
        place = _rocr_place(token.strip().upper(), gpus)
        if place is None or place in found:
            break
        found.append(place)
    return [gpus[place] for place in found]


def _rocr_place(token: str, gpus: Sequence[Gpu]) -> int | None:
    if token.startswith("G"):
        return _by_uuid(token, gpus)
    place = next((int(token, base) for base, pattern in _BASES if pattern.fullmatch(token)), None)
    return place if place is not None and place < len(gpus) else None


def _by_uuid(token: str, gpus: Sequence[Gpu]) -> int | None:
    """The one GPU whose UUID begins like this; partitions of a card can share theirs: none is meant then."""
    if not _SHORTEST <= len(token) <= _LONGEST:
        return None
    found = [place for place, gpu in enumerate(gpus) if gpu.uuid and gpu.uuid.upper().startswith(token)]
    return found[0] if len(found) == 1 else None


def _by_hip(gpus: Sequence[Gpu], asked: str) -> Iterator[int]:
    """Ends at the first name that is no number as it would be printed, in range; repeats are passed over."""
    seen: set[int] = set()
    for token in asked.split(","):
        place = _hip_place(token, gpus)
        if place is None:
            return
        if place not in seen:
            seen.add(place)
            yield place


def _hip_place(token: str, gpus: Sequence[Gpu]) -> int | None:
    if _UUID in token:
        return next((place for place, gpu in enumerate(gpus) if gpu.uuid and token in gpu.uuid), None)
    if not token.isdecimal() or str(int(token)) != token:
        return None
    return int(token) if int(token) < len(gpus) else None
