"""Runs upstream's own debug toggle for a bug as a third arm, beside the fixed and the reverted one.

`SGLANG_DEBUG_REVERT_PR` makes upstream undo one of its fixes when it starts (0.5.13 and later have it for
some pull requests). This says for each reproducer whether upstream registers a toggle for it, whether that
applies, and where on the reproducer's grid it faults, in which way, beside our revert.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import catalogue, homes
from harness.facts import CPU, Reproducer, Tier
from harness.observation import Observation, Point
from harness.observation.compare import changed_params, named_params
from harness.process.pool import Pool
from harness.source.symbols import functions_by_module
from harness.suite import Bench, Request, Setting, Suite
from harness.tiers import arms
from harness.tiers.arms import ArmPlan
from harness.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Row:
    """One point of the grid: the fault signatures of our reverted arm, and those under upstream's toggle."""

    params: Mapping[str, Any]
    reverted: tuple[str, ...]
    toggled: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the toggle of one bug does. Where it does not apply, `why` says so and there are no rows."""

    reproducer: str
    release: str
    applies: bool
    why: str = ""
    rows: tuple[Row, ...] = ()

    @property
    def same(self) -> bool:
        return all(row.reverted == row.toggled for row in self.rows)


def compare(reproducer: Reproducer, setting: Setting, pool: Pool) -> Comparison:
    """Run the three arms. SystemExit where our own two do not behave."""
    about = dict(reproducer=reproducer.short_id, release=setting.tree.version or "unknown")
    if reproducer.bug.pr is None:
        return Comparison(**about, applies=False, why="no number of a pull request is known")
    suite = Suite(setting, pool=pool)
    toggled = _toggled(reproducer, setting, suite.folder / "toggle", pool)
    if toggled.unresolved:
        return Comparison(**about, applies=False, why=toggled.unresolved)
    # By hand: what is compared are the arms with one another, whatever the goldens say.
    points = tuple(reproducer.case(Tier.KERNEL).points())
    (judged,) = suite.run([Request(reproducer=reproducer, tier=Tier.KERNEL, given=points)])
    result = judged.result
    if result.reverted is None or result.verdict is not Verdict.PASS:
        raise SystemExit(f"upstream_toggle: {reproducer.short_id}: {result.verdict}: {result.reason}")
    return Comparison(**about, applies=True, rows=_rows(result.reverted, toggled))


def _toggled(reproducer: Reproducer, setting: Setting, folder: Path, pool: Pool) -> Observation:
    """The tree as it is, with upstream's toggle thrown before the case runs."""
    functions = functions_by_module(setting.tree, reproducer.revert.scopes)
    points = reproducer.case(Tier.KERNEL).points()
    plan = ArmPlan(
        name="toggled", reproducer=reproducer, tier=Tier.KERNEL, platform=CPU, tree=setting.tree,
        functions=functions, points=points,
    )  # fmt: skip
    job = arms.job(plan, folder, arms.environment("kernel", setting.tree.package))
    thrown = replace(job, payload={**job.payload, "toggle": reproducer.bug.pr})
    return arms.observation(plan, pool.submit(thrown).result())


def _rows(reverted: Observation, toggled: Observation) -> tuple[Row, ...]:
    both: Sequence[tuple[Point, Point]] = list(zip(reverted.points, toggled.points, strict=True))
    return tuple(
        Row(params=ours.params, reverted=ours.signatures, toggled=theirs.signatures) for ours, theirs in both
    )


def _show(one: Comparison) -> None:
    if not one.applies:
        print(f"{one.reproducer} {one.release}: no third arm: {one.why}")
        return
    faulty = [sum(bool(row.reverted) for row in one.rows), sum(bool(row.toggled) for row in one.rows)]
    print(
        f"{one.reproducer} {one.release}: upstream's toggle applies and "
        f"{'faults as our revert does' if one.same else 'does not fault as our revert does'}: "
        f"of {len(one.rows)} points the revert faults at {faulty[0]}, the toggle at {faulty[1]}"
    )
    for row in one.rows:
        if row.reverted != row.toggled:
            own = changed_params(one.rows[0].params, row.params)
            where = f"at {named_params(own)}" if own else "at the default point"
            print(f"  {where}")
            print(f"    reverted  {'; '.join(row.reverted) or 'clean'}")
            print(f"    toggled   {'; '.join(row.toggled) or 'clean'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bugs", nargs="*", help="pull requests or ids; all with a kernel case without any")
    parser.add_argument("--sglang", default="installed", help="installed, a release, or a path")
    parser.add_argument("--json", type=Path, help="also write the comparison here")
    options = parser.parse_args()
    known = catalogue.load_all()
    chosen = [catalogue.find(bug, known) for bug in options.bugs] or [one for one in known if one.kernel]
    setting = Bench.here((homes.own(),)).given(options.sglang)
    with Pool(setting.lanes) as pool:
        found = [compare(one, setting, pool) for one in chosen]
    for one in found:
        _show(one)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
