"""`refault gate`, as a user types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.process.pool import Pool
from harness.source import tree
from harness.tests.gate.invented import ON_CPU
from harness.tests.toyland import recorded, upstream
from harness.tests.toyland.checkout import Checkout

NAMES = ("pr101_stray_store", "pr104_short_indptr")
YESTERDAY = date.today() - timedelta(days=1)
EXPIRED = f"""
[[quarantine]]
reproducer = "101"
owner = "ann"
reason = "waits"
expires = {YESTERDAY}
"""

OTHER_TABLE = """
from pathlib import Path
from harness.source import known
known.TABLE = Path("known.toml")
from harness.cli import main
main()
"""
"""The command, with a table of its own of the releases whose content is known."""


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Checkout:
    """A checkout with the golden of #101, policies, and a tree that lost its fix."""
    laid = recorded.lay_out(tmp_path_factory, cache, kernel_pool, name="gate", bugs=NAMES)
    upstream.write(laid.root / "lost", upstream.altered("numel = pages * page_size", "numel = pages"))
    both = ON_CPU + ON_CPU.replace("cpu", "rocm-gfx942")
    policies = {"cpu": ON_CPU, "both": both, "expired": ON_CPU + EXPIRED, "twice": ON_CPU + "repeats = 2\n"}
    for name, text in policies.items():
        (laid.root / f"{name}.toml").write_text(text)
    code, told, _ = gate(laid)
    assert (code, told["decision"], told["blocking"]) == (0, "pass", [])
    assert {file.name for file in (laid.root / "gate").iterdir()} == {
        "decision.json", "decision.md", "decision.html", "results.json",
    }  # fmt: skip
    shutil.copy(laid.root / "gate/results.json", laid.root / "cpu.json")
    return laid


def gate(toys: Checkout, *words: str, policy: str = "cpu") -> tuple[int, dict[str, Any], str]:
    """The exit code, the decision and what was printed."""
    done = toys.refault("gate", "--policy", f"{policy}.toml", "--report", "gate", *words)
    file = toys.root / "gate/decision.json"
    told = json.loads(file.read_text()) if done.returncode in (0, 1) else {}
    return done.returncode, told, done.stdout + done.stderr


def test_a_build_that_lost_a_fix_is_blocked(toys: Checkout) -> None:
    """One that has it passed as the checkout was laid out."""
    code, told, printed = gate(toys, "--sglang", "lost")
    assert (code, told["decision"]) == (1, "block")
    (entry,) = told["blocking"]
    assert (entry["reproducer"], entry["verdict"]) == ("pr101_stray_store", "REGRESSED")
    assert "upstream has #101 since 9.9.8, and this build lost it" in entry["reason"]
    assert "BLOCK: sglang (claims 9.9.9, not known" in printed
    code, _, printed = gate(toys, "--merge", "cpu.json", "gate/results.json")
    assert code == 2 and "run all machines on that build" in printed


def test_merging(toys: Checkout) -> None:
    """What another machine left is taken, what is missing blocks, and nothing is run."""
    code, told, _ = gate(toys, "--merge", "cpu.json", policy="both")
    assert code == 1 and told["blocking"][0]["platform"] == "rocm-gfx942"
    assert told["blocking"][0]["reason"].startswith("no results from rocm-gfx942, only from cpu")
    toys.refault("run", "101", "--tier", "kernel", "--json", "more.json")
    code, told, _ = gate(toys, "--merge", "cpu.json", "more.json", policy="twice")
    assert code == 0 and told["results"] == ["cpu.json", "more.json"]
    code, _, printed = gate(toys, "--merge", "cpu.json", "--sglang", "lost")
    assert code == 2 and "and the build is sglang (claims 9.9.9, not known" in printed


def test_a_merge_leaves_its_results_alone(toys: Checkout) -> None:
    """They may lie where the decision goes."""
    shutil.copy(toys.root / "cpu.json", toys.root / "gate/results.json")
    before = (toys.root / "gate/results.json").read_bytes()
    assert gate(toys, "--merge", "gate/results.json")[0] == 0
    assert (toys.root / "gate/results.json").read_bytes() == before


def test_an_expired_quarantine_blocks(toys: Checkout) -> None:
    code, told, _ = gate(toys, "--merge", "cpu.json", policy="expired")
    assert code == 1 and f"owned by ann, expired on {YESTERDAY} (waits)" in told["blocking"][0]["reason"]


def test_repeats_are_run_and_counted(toys: Checkout) -> None:
    code, told, _ = gate(toys, policy="twice")
    assert code == 0 and told["passed"][0]["reason"].endswith("(in 2 of 2 runs)")


def test_a_release_from_before_the_bug_is_not_asked_to_run_it(toys: Checkout) -> None:
    """9.9.0 brought #101, and the toy's content is known here as the release before that one."""
    published = tree.at(toys.root).content_hash
    (toys.root / "known.toml").write_text(f'[sglang]\n"9.8.0" = "{published}"\n')
    words = ["gate", "--policy", "cpu.toml", "--report", "older"]
    command = [sys.executable, "-P", "-c", OTHER_TABLE, *words]
    done = subprocess.run(command, cwd=toys.root, env=toys.environment, capture_output=True, timeout=120)
    left = toys.root / "older"
    ran, told = (json.loads((left / name).read_text()) for name in ("results.json", "decision.json"))
    assert ran["results"] == []
    assert [(one["reproducer"], one["reason"]) for one in told["spared"]] == [
        (NAMES[0], "asked from 9.9.0 on: that release brought the bug")
    ]
    assert (done.returncode, told["sglang"]["release"]) == (1, "9.8.0")
    (nothing,) = told["blocking"]
    assert nothing["reason"].startswith("not one result is a PASS")


def test_an_unrecorded_case_blocks(toys: Checkout) -> None:
    (toys.root / "all.toml").write_text(ON_CPU.replace('["101"]', '"all"'))
    code, told, _ = gate(toys, policy="all")
    assert code == 1
    assert [(one["reproducer"], one["verdict"]) for one in told["blocking"]] == [(NAMES[1], "UNRECORDED")]


BAD: list[tuple[tuple[str, ...], str]] = [
    (("cpu.json",), "cpu.json: results are only read with --merge"),
    (("--merge",), "no results file was named"),
    (("--merge", "cpu.toml"), "cpu.toml: is no JSON"),
    (("--platform", "cuda-sm90", "--merge", "cpu.json"), "--platform cuda-sm90: cpu.toml asks nothing"),
    (("--platform", "tpu", "--merge", "cpu.json"), "--platform 'tpu' is not like cpu, cuda, cuda-sm90"),
    (("--policy", "none.toml"), "none.toml: cannot be read"),
    (("--report", "cpu.toml"), "--report cpu.toml: cannot be written"),
]


def test_bad_input_is_one_line(toys: Checkout) -> None:
    common = ("gate", "--policy", "cpu.toml", "--report", "gate")
    for (_, told), done in zip(BAD, toys.refault_each([(*common, *words) for words, _ in BAD]), strict=True):
        printed = done.stdout + done.stderr
        assert done.returncode == 2 and told in printed and len(printed.splitlines()) == 1
