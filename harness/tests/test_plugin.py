"""The pytest door, over a checkout of the toy reproducers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.process.pool import Pool
from harness.tests.toyland import bench, checkout
from harness.tests.toyland.bench import bug
from harness.tests.toyland.checkout import Checkout

NAMES = ("pr101_stray_store", "pr102_wrong_slot", "pr104_short_indptr", "pr109_needs_both_vendors")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, kernel_pool: Pool, cache: Path) -> Checkout:
    """#101 has its golden, #104 has none; the module of #102 holds no reproducer."""
    folder = tmp_path_factory.mktemp("plugin")
    one = checkout.lay_out(folder / "checkout", cache, NAMES)
    (one.root / "conftest.py").write_text('pytest_plugins = ["harness.plugin"]\n')
    (one.root / "reproducers/pr102_wrong_slot.py").write_text('"""No reproducer in it."""\n')
    recorder = bench.lay_out(folder / "bench", cache, kernel_pool)
    recorder.record(bug("pr101_stray_store"))
    shutil.copytree(recorder.goldens.folder, one.goldens)
    return one


def pytest_run(place: Checkout, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *words]
    return subprocess.run(
        command, cwd=place.root, env=place.environment, capture_output=True, text=True, timeout=120
    )


def test_one_test_per_reproducer_and_tier_and_a_line_for_a_broken_one(place: Checkout) -> None:
    done = pytest_run(place, "reproducers", "--collect-only", "-q")
    assert [line for line in done.stdout.splitlines() if "::" in line] == [
        f"reproducers/{name}.py::kernel" for name in NAMES if name != "pr102_wrong_slot"
    ]
    assert "reproducers.pr102_wrong_slot: REPRODUCER: the module defines none" in done.stdout
    assert "Traceback" not in done.stdout and "harness/catalogue.py" not in done.stdout


@pytest.mark.parametrize(("ending", "left"), [("gfx950", 3), ("kernel", 0)])
def test_rows_that_the_setting_names_are_the_night_s(place: Checkout, ending: str, left: int) -> None:
    words = ("--collect-only", "-q", "-o", f"refault_nightly={ending} sm90", "-m", "not nightly")
    done = pytest_run(place, "reproducers", *words)
    assert len([line for line in done.stdout.splitlines() if "::" in line]) == left, done.stdout


def test_passing_failing_and_skipping(place: Checkout) -> None:
    report = place.root / "junit.xml"
    told = ("reproducers", "-rs", f"--junit-xml={report}", "--continue-on-collection-errors")
    done = pytest_run(place, *told)
    assert "1 failed, 1 passed, 1 skipped, 1 error" in done.stdout, done.stdout
    failure = re.search(r"^_+ pr104 kernel _+\n(?s:(.*?))^[=_]{5}", done.stdout, re.MULTILINE)
    assert failure
    verdict, *evidence = failure[1].strip().splitlines()
    assert verdict.startswith("UNRECORDED pr104_short_indptr kernel cpu (#104): no golden")
    assert any("short-buffer indptr numel=4 needed=5" in line for line in evidence)
    assert "this machine lacks cuda, rocm" in done.stdout
    assert _properties(report, "pr101") == {"verdict": "PASS", "evidence": "fault"}


def _properties(report: Path, short_id: str) -> dict[str, str | None]:
    """Verdict and evidence that a report's test case of this reproducer carries."""
    cases = ElementTree.parse(report).iter("testcase")
    (case,) = (case for case in cases if short_id in f"{case.get('classname')} {case.get('name')}")
    pairs = {one.get("name", ""): one.get("value") for one in case.iter("property")}
    return {name: pairs[name] for name in ("verdict", "evidence")}


def test_a_tree_without_the_package_is_one_line(place: Checkout, tmp_path: Path) -> None:
    done = pytest_run(place, "reproducers/pr101_stray_store.py", "--sglang", str(tmp_path))
    assert "holds no sglang/: give the folder that contains the package" in done.stdout
    assert "Traceback" not in done.stdout and "harness/plugin.py" not in done.stdout
