"""Runs the kernels of a bug's kernel case as AMD's machine code, beside the same in Triton's interpreter.

For each chip and arm it prints what was executed (waves, instructions, distinct opcodes, seconds), whether
every launch wrote what the interpreter wrote, the faults that the machine code shows, and what is
UNSUPPORTED, by name. A launch that differs on the fixed arm is a disagreement: shown, and no verdict. Each
row is told and written as soon as it is known; standard error says how many arms are over.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from harness import catalogue, homes
from harness.errors import BadInput
from harness.facts import CPU, Host, Params, Platform, Reproducer, Tier
from harness.observation import Observation, Point
from harness.process.job import Ended
from harness.process.pool import Pool
from harness.report.steps import Steps
from harness.source import revert
from harness.source.symbols import functions_by_module
from harness.source.tree import Tree
from harness.suite import Bench, Setting
from harness.tiers import arms
from harness.tiers.arms import ArmPlan

CHIPS = ("gfx942", "gfx950")
BUGS = ("23596", "24587", "24394", "26866")
_APART = 2e-2
"""How far a float may be from the interpreter's: XF32 on gfx942 keeps ten bits of a product's factors."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One bug on one chip in one arm."""

    bug: str
    chip: str
    arm: str
    seconds: float
    points: int
    launches: int
    kernels: Mapping[str, Any] = field(default_factory=dict)
    disagreements: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    only_interpreted: tuple[str, ...] = ()
    only_emulated: tuple[str, ...] = ()
    unsupported: str | None = None
    unresolved: str | None = None

    @property
    def waves(self) -> int:
        return sum(kernel["waves"] for kernel in self.kernels.values())

    @property
    def instructions(self) -> int:
        return sum(kernel["instructions"] for kernel in self.kernels.values())

    @property
    def opcodes(self) -> set[str]:
        return {opcode for kernel in self.kernels.values() for opcode in kernel["opcodes"]}


# --- running ---------------------------------------------------------------------------------


def rows(
    reproducer: Reproducer,
    setting: Setting,
    pool: Pool,
    chips: Sequence[str],
    points: Sequence[Params],
    steps: Steps,
) -> Iterator[Row]:
    """Both arms on each chip, beside the interpreter; `steps` is told of each arm that is over."""
    reverted = revert.apply(setting.tree, reproducer.revert, setting.workspace.trees)
    trees = {"fixed": setting.tree, "reverted": reverted.tree}
    plans = [_plan(reproducer, name, tree, points) for name, tree in trees.items()]
    asked = [(plan, chip, _submitted(plan, chip, pool, setting)) for plan in plans for chip in (None, *chips)]
    for plan, chip, future in asked:
        ended = future.result()
        found = arms.observation(plan, ended)
        steps.done(f"{reproducer.short_id} {plan.name} {chip or 'interpreter'}")
        if chip is None:
            expected = found
        else:
            yield _row(reproducer, chip, found, expected, (ended.result or {}).get("emulated", {}))


def _points(reproducer: Reproducer, given: Sequence[str]) -> list[Params]:
    """The points of the kernel case's grid, or the one that is given as NAME=VALUE."""
    case, own = reproducer.case(Tier.KERNEL), dict(text.split("=", 1) for text in given)
    if unknown := sorted(set(own) - set(case.params)):
        raise BadInput(f"{unknown[0]}: {reproducer.short_id} takes {', '.join(case.params)}")
    if not own:
        return list(case.points())
    return [case.point({name: case.params[name].parse(text) for name, text in own.items()})]


def _plan(reproducer: Reproducer, name: str, tree: Tree, points: Sequence[Params]) -> ArmPlan:
    return ArmPlan(
        name=name, reproducer=reproducer, tier=Tier.KERNEL, platform=CPU, tree=tree,
        functions=functions_by_module(tree, reproducer.revert.scopes),
        points=points,
    )  # fmt: skip


def _submitted(plan: ArmPlan, chip: str | None, pool: Pool, setting: Setting) -> Future[Ended]:
    """An arm in the interpreter, or on a chip in the emulator."""
    plan = replace(plan, platform=Platform(Host.EMULATED, chip)) if chip else plan
    shared = arms.environment(arms.kind(plan.tier, plan.platform), plan.tree.package)
    folder = setting.workspace.new_run() / plan.name
    return pool.submit(arms.job(plan, folder, shared))


# --- comparing -------------------------------------------------------------------------------


def _row(
    reproducer: Reproducer, chip: str, found: Observation, expected: Observation, kernels: Mapping[str, Any]
) -> Row:
    whole = found.unresolved or expected.unresolved
    missing = f"{len(found.points)} of {len(expected.points)} points of the interpreter's"
    short = missing if len(found.points) != len(expected.points) else None
    pairs = list(zip(found.points, expected.points, strict=False))
    seen = {fault.signature: fault for point in found.points for fault in point.faults}
    known = {fault.signature for point in expected.points for fault in point.faults}
    return Row(
        bug=reproducer.short_id,
        chip=chip,
        arm=found.arm,
        seconds=round(found.seconds, 1),
        points=len(found.points),
        launches=sum(len(_launches(point)) for point in found.points),
        kernels=kernels,
        disagreements=tuple(dict.fromkeys(one for pair in pairs for one in _apart(*pair))),
        faults=tuple(seen),
        places=tuple(fault.seen.place for fault in seen.values() if fault.seen),
        only_interpreted=tuple(sorted(known - set(seen))),
        only_emulated=tuple(sorted(set(seen) - known)),
        unsupported=found.unsupported,
        unresolved=None if found.unsupported else whole or short,
    )


def _launches(point: Point) -> list[Mapping[str, Any]]:
    return [event for event in point.trace if event["event"] == "launch"]


def _apart(found: Point, expected: Point) -> Iterator[str]:
    """Where a launch wrote something else than the interpreter's, and which launches there were not."""
    ours, theirs = _launches(found), _launches(expected)
    if [event["kernel"] for event in ours] != [event["kernel"] for event in theirs]:
        yield f"{len(ours)} launches, {len(theirs)} in the interpreter"
        return
    for one, other in zip(ours, theirs, strict=True):
        for name, argument in one["args"].items():
            if not _alike(argument, other["args"][name]):
                yield f"{one['kernel']}: {name}: {_short(argument)} and not {_short(other['args'][name])}"


def _short(argument: Mapping[str, Any]) -> str:
    return json.dumps({key: argument.get(key) for key in ("written", "wrote")})[:160]


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether an argument was written at the same places with the same integers, or floats that are near."""
    if one.get("written") != other.get("written"):
        return False
    ours, theirs = one.get("wrote", {}), other.get("wrote", {})
    if "summary" not in ours:
        return bool(ours == theirs)
    return all(
        abs(value - theirs["summary"].get(name, 1e30)) <= _APART for name, value in ours["summary"].items()
    )


# --- telling ---------------------------------------------------------------------------------


def _show(row: Row) -> None:
    if row.unsupported:
        print(f"{row.bug} {row.chip} {row.arm}: UNSUPPORTED: {row.unsupported}")
        return
    if row.unresolved:
        print(f"{row.bug} {row.chip} {row.arm}: UNRESOLVED: {row.unresolved}")
    agreement = (
        f"{len(row.disagreements)} disagreements" if row.disagreements else "agrees with the interpreter"
    )
    print(
        f"{row.bug} {row.chip} {row.arm}: {len(row.kernels)} kernels in {row.launches} observed launches at "
        f"{row.points} points, {row.waves} waves, {row.instructions} instructions, "
        f"{len(row.opcodes)} opcodes, {row.seconds} s: {agreement}"
    )
    for text in row.disagreements[:8]:
        print(f"  disagreement: {text}")
    for kernel, told in row.kernels.items():
        for hazard in told["hazards"]:
            print(f"  used before its wait: {hazard} of {kernel}")
    for fault, place in zip(row.faults[:4], row.places[:4], strict=False):
        print(f"  fault: {fault}\n    at {place}")
    for fault in row.only_emulated[:4]:
        print(f"  only in the machine code: {fault}")
    for fault in row.only_interpreted[:4]:
        print(f"  only in the interpreter: {fault}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "bugs", nargs="*", default=list(BUGS), help=f"pull requests or ids: {', '.join(BUGS)}"
    )
    parser.add_argument("--chip", choices=CHIPS, action="append", help="both without any")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one point by hand")
    parser.add_argument("--sglang", default="installed", help="installed, a release, or a path")
    parser.add_argument("--json", type=Path, help="also write the table here")
    options = parser.parse_args()
    known = catalogue.load_all()
    setting = Bench.here((homes.own(),)).given(options.sglang)
    chips, found = options.chip or CHIPS, list[Row]()
    subjects = [catalogue.find(bug, known) for bug in options.bugs]
    asked = [(subject, _points(subject, options.set)) for subject in subjects]
    steps = Steps(len(asked) * 2 * (1 + len(chips)), "arms")
    with Pool(setting.lanes) as pool, steps.running():
        for subject, points in asked:
            for row in rows(subject, setting, pool, chips, points, steps):
                _show(row)
                sys.stdout.flush()
                found.append(row)
                if options.json:
                    _write(options.json, found)
    opcodes = {chip: {op for row in found if row.chip == chip for op in row.opcodes} for chip in CHIPS}
    print(
        "distinct opcodes: "
        + ", ".join(f"{len(names)} on {chip}" for chip, names in opcodes.items() if names)
    )


def _write(path: Path, found: Sequence[Row]) -> None:
    """The table so far, whole or not at all."""
    half = path.with_name(f"{path.name}.half")
    half.write_text(json.dumps([asdict(row) for row in found], indent=1) + "\n", encoding="utf-8")
    half.replace(path)


if __name__ == "__main__":
    try:
        main()
    except BadInput as error:
        print(f"gcn_kernels: {error}", file=sys.stderr)
        raise SystemExit(2) from None
