"""Invented policies and results of the toy reproducers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from harness.facts import CPU, CaseKey, Platform, Reproducer, Tier
from harness.gate import policy as policies
from harness.gate.decision import Decision, decide
from harness.gate.policy import Policy
from harness.gate.results import Build, Results, Row
from harness.tests.toyland.bench import bug
from harness.verdict import Verdict

TODAY = date(2026, 6, 15)
KNOWN: tuple[Reproducer, ...] = (bug("pr101_stray_store"), bug("pr104_short_indptr"))
BUILD = Build(tree="a" * 64, version="9.9.8", release="9.9.8")
ON_CPU = """
[[require]]
platform = "cpu"
tiers = ["kernel"]
reproducers = ["101"]
"""


def policy(folder: Path, text: str) -> Policy:
    file = folder / "gate.toml"
    file.write_text(text)
    return policies.load(file)


def row(
    verdict: Verdict | None = Verdict.PASS,
    *,
    reproducer: str = "pr101_stray_store",
    tier: str = "kernel",
    platform: str = "cpu",
    machine: str = "cpu",
    reason: str = "as it was",
) -> Row:
    key = CaseKey(reproducer, Tier(tier), Platform.parse(platform))
    return Row(key=key, machine=Platform.parse(machine), verdict=verdict, reason=reason)


def results(*rows: Row, build: Build = BUILD) -> Results:
    machines = tuple(dict.fromkeys(one.machine for one in rows)) or (CPU,)
    return Results(build=build, rows=rows, machines=machines, sources=("r.json",))


def decided(folder: Path, text: str, *rows: Row, build: Build = BUILD, today: date = TODAY) -> Decision:
    return decide(policy(folder, text), results(*rows, build=build), KNOWN, today)
