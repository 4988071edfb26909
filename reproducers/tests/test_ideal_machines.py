"""Every case, and every requirement of a shipped policy, can run on some machine that one can have.

UNSUPPORTED counts as a success, so that a case which asks for what no machine has would pass everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import catalogue
from harness.gate import policy
from harness.gate.wanted import Wanted, wanted
from harness.machine import Machine
from harness.machine.described import described
from harness.suite.request import Request, missing

IDEAL = {
    "a CPU": described("cpu"),
    "an H100": described("cuda-sm90"),
    "two H200s": described("cuda-sm90", 2),
    "an MI300X": described("rocm-gfx942"),
    "two MI300Xs": described("rocm-gfx942", 2),
    "an MI355X": described("rocm-gfx950"),
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


def test_the_nights_own_pools_can_meet_the_default_policy() -> None:
    text = (ROOT / ".github/workflows/nightly.yml").read_text(encoding="utf-8")
    label = re.search(r"linux-mi300-(\d+)gpu-sglang", text)
    lanes = re.search(r"vars\.REFAULT_MI300_GPUS \|\| '(\d+)'", text)
    assert label and lanes and label[1] == lanes[1]
    pools = [described("cuda-sm90"), described("rocm-gfx942", int(label[1]))]
    for wish in wanted(policy.load(policy.DEFAULT), SUBJECTS):
        cases = [one for one in requests() if (one.reproducer.id, one.tier) == (wish.subject.id, wish.tier)]
        assert any(meets(one, pool, wish) for one in cases for pool in pools), wish.key
