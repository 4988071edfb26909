"""Policies: what they may say, and how a mistake in one is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harness import catalogue
from harness.errors import BadInput
from harness.facts import CPU
from harness.gate import policy as policies
from harness.gate.policy import Bounds
from harness.gate.wanted import unmet
from harness.tests.gate.invented import ON_CPU, policy
from harness.verdict import Verdict

REQUIRE = ON_CPU.strip() + "\n"
QUARANTINE = """
[[quarantine]]
reproducer = "101"
owner = "ann"
reason = "waits for #102"
expires = 2026-07-01
"""
ROOT = Path(__file__).parents[3]


def test_what_is_left_out_is_strict(tmp_path: Path) -> None:
    found = policy(tmp_path, REQUIRE)
    assert found.block == set(Verdict) - {Verdict.PASS}
    assert found.require[0].bounds == Bounds(repeats=1, fixed_faults=0.0, reverted_faults=1.0)
    assert found.platforms == (CPU,) and found.name == "gate.toml" and len(found.digest) == 64


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    text = 'block = ["REGRESSED", "STALE"]\nrepeats = 3\n[rates]\nreverted_faults = 0.5\n' + REQUIRE
    text += 'repeats = 5\nsince = "9.9.8"\nreason = "before, nothing called it"\n' + QUARANTINE
    found = policy(tmp_path, text)
    assert found.block == {Verdict.REGRESSED, Verdict.STALE}
    (one,) = found.require
    assert one.bounds == Bounds(repeats=5, fixed_faults=0.0, reverted_faults=0.5)
    (kept,) = found.quarantine
    assert (kept.owner, kept.expires, kept.tier) == ("ann", date(2026, 7, 1), None)


@pytest.mark.parametrize(
    ("version", "asked"),
    [("9.9.7", False), ("9.9.8", True), ("9.10", True), (None, True), ("9.9.9.dev3+gabc", True)],
)
def test_since(tmp_path: Path, version: str | None, asked: bool) -> None:
    found = policy(tmp_path, REQUIRE + 'since = "9.9.8"\nreason = "new"\n')
    assert found.require[0].asks(version) is asked


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "gate.toml: require: is missing"),
        ("require = 3", "require: is no list of tables: write [[require]]"),
        ("[[require]", "is no TOML"),
        (REQUIRE + "tier = 3", "require[1]: tier: there is no such key: did you mean tiers?"),
        (REQUIRE + "colour = 3", "require[1]: colour: there is no such key: it takes"),
        ("bolck = []\n" + REQUIRE, "gate.toml: bolck: there is no such key: did you mean block?"),
        (REQUIRE.replace('["kernel"]', '"kernel"'), "tiers: 'kernel' is no list of texts"),
        (
            REQUIRE.replace('"kernel"', '"kernels"'),
            "tiers: 'kernels' is not one of codegen, kernel, server; did you",
        ),
        (REQUIRE.replace('["101"]', "[]"), "reproducers: is empty"),
        (REQUIRE.replace('"cpu"', '" "'), "platform: ' ' is no text"),
        (REQUIRE.replace('"cpu"', '"sm90"'), "platform: 'sm90' is not like cpu, cuda, cuda-sm90, rocm"),
        (REQUIRE + "repeats = 0", "repeats: 0 is no whole number of at least 1"),
        (REQUIRE + "repeats = true", "repeats: True is no whole number"),
        (REQUIRE + "fixed_faults = 1.5", "fixed_faults: 1.5 is no share"),
        (REQUIRE + 'since = "soon"\nreason = "x"', "since: 'soon' is no release"),
        (REQUIRE + 'since = "9.9"', "since: needs a reason beside it"),
        ('block = ["PASS"]\n' + REQUIRE, "'PASS' is no verdict that can block"),
        ('block = ["STALE"]\n' + REQUIRE, "block: lacks REGRESSED"),
        ("[rates]\nfixed = 1\n" + REQUIRE, "gate.toml: rates: fixed: there is no such key"),
        (REQUIRE + QUARANTINE.replace("owner", "order"), "quarantine[1]: owner: is missing: add it"),
        (REQUIRE + QUARANTINE.replace("2026-07-01", '"2026-07-01"'), "expires: '2026-07-01' is no date"),
        (REQUIRE + QUARANTINE.replace("2026-07-01", "2026-07-01T00:00:00"), "is no date: write it without"),
        (REQUIRE + QUARANTINE + 'tier = "gpu"', "quarantine[1]: tier: 'gpu' is not one of"),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        policy(tmp_path, text)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml: cannot be read \(No such file"):
        policies.load(tmp_path / "none.toml")


@pytest.mark.parametrize("file", [policies.DEFAULT, ROOT / "ci/gate-cpu.toml"], ids=lambda file: file.name)
def test_our_own_policies_ask_for_what_there_is(file: Path) -> None:
    ours = policies.load(file)
    assert unmet(ours, catalogue.subjects(), ours.platforms) == ()


def test_the_default_asks_for_real_gpus() -> None:
    asked = {
        (str(one.platform), tier) for one in policies.load(policies.DEFAULT).require for tier in one.tiers
    }
    assert {
        ("cuda-sm90", "server"),
        ("rocm-gfx942", "server"),
        ("rocm-gfx942", "kernel"),
    } == asked
