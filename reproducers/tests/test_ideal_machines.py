"""Every case, and every requirement of a shipped policy, can run on some machine that one can have.

UNSUPPORTED counts as a success, so that a case which asks for what no machine has would pass everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import catalogue
from harness.facts import CPU, Feature, Platform
from harness.gate import policy
from harness.gate.wanted import Wanted, wanted
from harness.machine import Machine
from harness.suite.request import Request, missing

SOFTWARE = frozenset({Feature.TORCH, Feature.TRITON, Feature.INTERPRETER})
NVIDIA = SOFTWARE | {Feature.CUDA, Feature.SGL_KERNEL, Feature.FLASHINFER}
AMD = SOFTWARE | {Feature.ROCM, Feature.AITER, Feature.SGL_KERNEL}
IDEAL = {
    "a CPU": Machine(platform=CPU, features=SOFTWARE),
    "an H100": Machine(platform=Platform.parse("cuda-sm90"), features=NVIDIA, gpus=1),
    "two H200s": Machine(platform=Platform.parse("cuda-sm90"), features=NVIDIA, gpus=2),
    "an MI300X": Machine(platform=Platform.parse("rocm-gfx942"), features=AMD, gpus=1),
    "two MI300Xs": Machine(platform=Platform.parse("rocm-gfx942"), features=AMD, gpus=2),
    "an MI355X": Machine(platform=Platform.parse("rocm-gfx950"), features=AMD, gpus=1),
}
SUBJECTS = catalogue.subjects()
ROOT = catalogue.golden_folder().parent
POLICIES = sorted({policy.DEFAULT, *ROOT.glob("ci/gate*.toml")})


def requests() -> Iterator[Request]:
    for subject in SUBJECTS:
        for tier, platform in subject.cases:
            yield Request(reproducer=subject, tier=tier, platform=platform)


def named(request: Request) -> str:
    return f"{request.reproducer.short_id} {request.name}"


@pytest.mark.parametrize("request_", [*requests()], ids=named)
def test_every_case_runs_somewhere(request_: Request) -> None:
    lacking = {name: missing(request_, machine) for name, machine in IDEAL.items()}
    assert () in lacking.values(), lacking


def meets(request: Request, machine: Machine, wish: Wanted) -> bool:
    return request.platform_on(machine) == wish.platform and not missing(request, machine)


@pytest.mark.parametrize("file", POLICIES, ids=lambda path: path.stem)
def test_every_requirement_can_be_met_somewhere(file: Path) -> None:
    asked = wanted(policy.load(file), SUBJECTS)
    assert asked and [wish.key for wish in asked if not any(_meeting(wish))] == []


def _meeting(wish: Wanted) -> Iterator[bool]:
    for request in requests():
        if (request.reproducer.id, request.tier) == (wish.subject.id, wish.tier):
            yield from (meets(request, machine, wish) for machine in IDEAL.values())
