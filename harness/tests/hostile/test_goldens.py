"""A golden says what was seen, and not how strictly that binds: the suite on goldens that try to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.errors import GoldenError
from harness.facts import CPU, CaseKey, Tier
from harness.process.pool import Pool
from harness.tests.hostile.goldens import SPOILED, Spoiled, wrong_floats_borne
from harness.tests.toyland import bench, checkout
from harness.tests.toyland.bench import Bench, bug
from harness.tests.toyland.checkout import Checkout
from harness.verdict import Verdict

STRAY = "pr101_stray_store"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Bench:
    """The toy with the golden of #101."""
    one = bench.lay_out(tmp_path_factory.mktemp("goldens"), cache, kernel_pool)
    one.record(bug(STRAY))
    shutil.copy(place(one), one.folder / "good.json")
    return one


def place(on: Bench) -> Path:
    return on.goldens.path(CaseKey(STRAY, Tier.KERNEL, CPU))


def good(on: Bench) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads((on.folder / "good.json").read_text())
    return found


def removed(path: Path) -> None:
    """Whatever lies there is gone."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    elif os.path.lexists(path):
        path.unlink()


def test_the_good_one_passes(recorded: Bench) -> None:
    removed(place(recorded))
    shutil.copy(recorded.folder / "good.json", place(recorded))
    assert recorded.judge(bug(STRAY)).result.verdict is Verdict.PASS


TOLERANT = ("tolerance of 1e308", "wrong floats borne", "relative tolerance", "a little more")
"""They are goldens, and bind less than their case says: the suite refuses them."""
REFUSED = [one for one in SPOILED if one.verdict is None and one.name not in TOLERANT]
BY_DAY = [REFUSED[0], *(one for one in SPOILED if one not in REFUSED)]
"""Of those that are refused as they are read one: the suite does the same with each."""


@pytest.mark.parametrize("spoiled", REFUSED, ids=lambda one: one.name)
def test_what_is_no_golden_is_refused(recorded: Bench, spoiled: Spoiled) -> None:
    path = place(recorded)
    removed(path)
    spoiled.put(path, good(recorded))
    with pytest.raises(GoldenError) as refused:
        recorded.goldens.load(CaseKey(STRAY, Tier.KERNEL, CPU))
    assert spoiled.told in str(refused.value) and len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "spoiled",
    [pytest.param(one, marks=[] if one in BY_DAY else pytest.mark.nightly) for one in SPOILED],
    ids=lambda one: one.name,
)
def test_no_golden_makes_a_case_pass(recorded: Bench, spoiled: Spoiled) -> None:
    path = place(recorded)
    removed(path)
    spoiled.put(path, good(recorded))
    found = recorded.judge(bug(STRAY)).result
    assert found.verdict is (spoiled.verdict or Verdict.UNRESOLVED)
    assert spoiled.told in found.reason and len(found.reason.splitlines()) == 1
    if spoiled.verdict is None:  # nothing is wrong with the case but its golden
        assert str(path) in found.reason
        assert "refault record" in found.reason or "move it there" in found.reason


# --- through the command -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toys(recorded: Bench, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Checkout:
    """A checkout whose one golden bears wrong floats."""
    laid = checkout.lay_out(tmp_path_factory.mktemp("spoiled") / "checkout", cache, (STRAY,))
    path = laid.goldens / STRAY / "kernel.cpu.json"
    path.parent.mkdir(parents=True)
    Spoiled(name="", told="", change=wrong_floats_borne).put(path, good(recorded))
    return laid


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "101", "--tier", "kernel"), 3),
        pytest.param(("repro", "101"), 3, marks=pytest.mark.nightly),
        (("record", "101"), 1),
        (("gate", "--policy", "cpu.toml", "--report", "out"), 1),
    ],
)
def test_no_command_takes_it(toys: Checkout, words: Sequence[str], code: int) -> None:
    requirement = '[[require]]\nplatform = "cpu"\ntiers = ["kernel"]\nreproducers = ["101"]\n'
    (toys.root / "cpu.toml").write_text(requirement)
    before = (toys.goldens / STRAY / "kernel.cpu.json").read_bytes()
    done = toys.refault(*words)
    assert done.returncode == code and "1e+308" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "PASS" not in done.stdout
    assert (toys.goldens / STRAY / "kernel.cpu.json").read_bytes() == before


def test_the_doctor_says_so(toys: Checkout) -> None:
    done = toys.refault("doctor")
    (line,) = [line for line in done.stdout.splitlines() if " goldens " in line]
    assert done.returncode == 1 and line.startswith("WRONG") and "has the tolerance 1e+308" in line
