"""Measures what each bug costs by itself: seconds of the processor and of the clock, and memory.

    python ci/bench/each.py                   # the codegen and the kernel tier: a table in Markdown
    python ci/bench/each.py --tier server     # the servers
    python ci/bench/each.py 24587 33423       # these alone

A command for each, so that what the bugs of one run share, such as the start of upstream's modules, counts in
every row: the lightest rows are nearly all start.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ci.bench.growth import MOST_MIB, Cost, cost  # noqa: E402 - a script finds the package only now
from harness import catalogue  # noqa: E402
from harness.errors import BadInput  # noqa: E402
from harness.facts import Subject, Tier  # noqa: E402
from harness.machine import Machine, this_machine  # noqa: E402
from harness.suite import foresee  # noqa: E402

QUICK = (Tier.CODEGEN, Tier.KERNEL)


@dataclass(frozen=True)
class Row:
    """One bug, how many cases it has in these tiers here, and what they cost."""

    name: str
    cases: int
    cost: Cost


def counted(known: Sequence[Subject], tiers: Sequence[Tier], machine: Machine) -> dict[str, int]:
    """How many cases of each bug and configuration run here in these tiers; those with none left out."""
    found: dict[str, int] = {}
    for one in foresee(machine, known):
        if one.request.tier in tiers and one.runs:
            found[one.request.reproducer.id] = found.get(one.request.reproducer.id, 0) + 1
    return found


def command(name: str, tiers: Sequence[Tier]) -> list[str]:
    """Runs all cases of a bug in these tiers."""
    words = [word for tier in tiers for word in ("--tier", tier.value)]
    return [sys.executable, "-m", "harness", "run", name, *words]


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown, the dearest first."""
    yield "| bug | cases | CPU s | wall s | MiB |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for row in sorted(rows, key=lambda row: -row.cost.cpu):
        name = row.name.replace("_", "\\_")
        yield f"| {name} | {row.cases} | {row.cost.cpu:.1f} | {row.cost.wall:.1f} | {row.cost.mib} |"


def main() -> int:
    """0 if no bug had more memory than MOST_MIB. BadInput for an unknown bug, or where none runs here."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("bugs", nargs="*", help="these bugs alone, by number or id")
    parser.add_argument(
        "--tier", action="append", type=Tier, choices=list(Tier), dest="tiers", help="repeatable"
    )
    asked = parser.parse_args()
    everything, tiers = catalogue.read(()).subjects, asked.tiers or QUICK
    known = [catalogue.find(bug, everything) for bug in asked.bugs] or everything
    cases = counted(known, tiers, this_machine())
    if not cases:
        raise BadInput(f"none of these has a case here in {', '.join(tiers)}: ask for another --tier")
    rows: list[Row] = []
    try:
        rows.extend(measured(cases, tiers))
    finally:  # a bug that fails ends it, and what the others cost is known
        print("\n".join(table(rows)))
    return int(max(row.cost.mib for row in rows) > MOST_MIB)


def measured(cases: Mapping[str, int], tiers: Sequence[Tier]) -> Iterator[Row]:
    """Runs bug after bug, and says how far that is."""
    for number, (name, count) in enumerate(cases.items(), start=1):
        row = Row(name, count, cost(command(name, tiers)))
        print(f"[{number}/{len(cases)}] {name}: {row.cost.cpu:.1f} s", file=sys.stderr, flush=True)
        yield row


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BadInput as error:
        sys.exit(f"each: {error}")
