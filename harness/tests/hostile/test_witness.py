"""Class A: an arm is not its own witness."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.process.pool import Pool
from harness.tests.hostile.witness_forgeries import FORGERIES, LOST, Forgery, steal
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench, bug
from harness.tests.toyland.upstream import PAGES
from harness.verdict import Verdict

STORE = bug("pr101_stray_store")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Bench:
    """The toy with its golden, and what its arms said in a file."""
    one = bench.lay_out(tmp_path_factory.mktemp("honest"), cache, kernel_pool)
    steal(one.folder, one.record(STORE).arms)
    return one


def test_the_honest_tree_passes_and_the_one_without_its_fix_does_not(honest: Bench) -> None:
    assert honest.judge(STORE).result.verdict is Verdict.PASS
    lost = honest.on(LOST, "lost").judge(STORE).result
    assert lost.verdict is Verdict.REGRESSED


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda one: one.name)
def test_no_forgery_is_believed(forgery: Forgery, honest: Bench, tmp_path: Path) -> None:
    tree = honest.on(forgery.pages(honest.folder / "stolen.json"), forgery.name.replace(" ", "-"))
    result = tree.judge(STORE).result
    assert result.verdict is Verdict(forgery.verdict), result.reason
    assert forgery.told in result.reason
    assert result.fixed and result.fixed.points == ()  # nothing that it said is shown as seen


def test_code_that_behaves_while_it_is_watched_passes_as_the_threat_model_says(honest: Bench) -> None:
    """What remains: it is no weakness of a check, and so no check is to hide it."""
    behaving = PAGES.replace(
        "fill_kernel[(1,)](table, tokens, BLOCK=64)",
        "watched = open('/proc/self/comm').read().startswith('refault')\n"
        "    fill_kernel[(1,)](table, tokens if watched else 2 * tokens, BLOCK=64)",
    )
    assert behaving != PAGES
    assert honest.on(behaving, "behaving").judge(STORE).result.verdict is Verdict.PASS
    page = (Path(__file__).parents[3] / "docs" / "threat-model.md").read_text()
    assert "**Code that detects the harness and behaves.**" in page
