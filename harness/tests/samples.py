"""An invented case that passes, for tests to spoil one fact at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.facts import CaseKey, Expect, Platform, Tier, faults
from harness.golden import Golden
from harness.observation import Attestation, Exit, Fault, Module, Observation, Point
from harness.verdict import Arm, Evidence, Judgement, Result, golden_of

FIXED_HASH, REVERTED_HASH, TREE = "a" * 64, "b" * 64, "c" * 64
FUNCTION = "Pages.count"
STRAY = Fault(kind="oob-write", buffer="table", kernel="fill", numel=8, first=8, last=11, count=4)
PROVENANCE = {"sglang": "9.9.9", "torch": "2.13.0", "recorded": "2026-01-02", "command": "refault record"}
LAUNCH = {"event": "launch", "kernel": "fill", "grid": [4], "wrote": {"rms": 0.5, "shape": [4]}}


def point(page_size: int, *violations: Fault, **facts: Any) -> Point:
    """One point of the invented case; its results and trace say which."""
    results = {"lengths": {"dtype": "int64", "shape": [2], "values": [page_size, 2]}, "scale": 0.5}
    own: dict[str, Any] = {"results": results, "trace": ({"event": "phase", "name": "replay"}, LAUNCH)}
    return Point(params={"page_size": page_size}, faults=violations, **{**own, **facts})


def arm(name: str, *points: Point, **facts: Any) -> Arm:
    """An attested arm that showed these points."""
    sha256 = FIXED_HASH if name == "fixed" else REVERTED_HASH
    module = Module(name="toy.pages", path="toy/pages.py", sha256=sha256)
    attestation = Attestation(tree=TREE, root="/trees/toy", modules=(module,), entered=(FUNCTION,))
    own: dict[str, Any] = {"exit": Exit(how="clean", code=0), "attestation": attestation, "seconds": 0.25}
    seen = Observation(arm=name, points=points, **{**own, **facts})
    return Arm(observation=seen, wanted={"toy.pages": sha256}, functions=(FUNCTION,))


def expecting(kind: str = "oob-write", **facts: Any) -> Expect:
    return Expect(reverted=faults(kind, **{"only": {"page_size": [16]}, **facts}))


def case(**facts: Any) -> Evidence:
    """Evidence that passes: page size 16 bites, page size 1 stays clean, and the golden agrees."""
    own: dict[str, Any] = {
        "expect": expecting(buffer="table"),
        "fixed": arm("fixed", point(16), point(1)),
        "reverted": arm("reverted", point(16, STRAY), point(1)),
        "tree": TREE,
    }
    if "golden" not in facts:
        own["golden"] = golden(Evidence(**own))
    return Evidence(**{**own, **facts})


def result(
    judgement: Judgement,
    judged: Evidence | None = None,
    *,
    reproducer: str = "pr1_pages",
    tier: str = "kernel",
    platform: str = "cpu",
    **facts: Any,
) -> Result:
    """A row of a report for a judgement."""
    key = CaseKey(reproducer, Tier(tier), Platform.parse(platform))
    seen = judged or case(golden=None)
    arms = {"fixed": seen.fixed.observation, "reverted": seen.reverted.observation}
    told = {"verdict": judgement.verdict, "reason": judgement.reason, "drift": judgement.drift}
    params = {"params": {"page_size": 16}, "seconds": 1.25}
    return Result(**{"key": key, "pr": 1, **told, **arms, **params, **facts})


def named(one: Result, reproducer: str) -> Result:
    """The same row, of another reproducer."""
    return replace(one, key=replace(one.key, reproducer=reproducer))


def golden(evidence: Evidence) -> Golden:
    """What recording this evidence would leave."""
    return golden_of(result(Judgement(None, ""), evidence), evidence, PROVENANCE)


def replaced(evidence: Evidence, name: str, **facts: Any) -> Evidence:
    """The same evidence with one arm's observation changed."""
    old = evidence.fixed if name == "fixed" else evidence.reverted
    assert old.observation is not None
    new = replace(old, observation=replace(old.observation, **facts))
    return replace(evidence, fixed=new) if name == "fixed" else replace(evidence, reverted=new)
