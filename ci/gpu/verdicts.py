#!/usr/bin/env python3
"""Runs every case of this machine's GPU again and again: which verdict came how often, and what differed.

All is written as it comes, so that a run that is stopped is a shorter run: OUT gets verdicts-TIER.jsonl (a
line a run), verdicts-TIER.md (the table), and goldens-TIER.tgz (a golden of each run that is UNRECORDED or
CHANGED, to be looked at and put in place). Ends with 0 if every case ran as often as asked, PASS each time,
or UNFIXED each time, on a release from before the fix.
"""

from __future__ import annotations

import argparse
import io
import json
import signal
import statistics
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness import catalogue  # noqa: E402
from harness.errors import RefaultError  # noqa: E402
from harness.facts import Tier  # noqa: E402
from harness.observation.rates import Rate  # noqa: E402
from harness.suite import Bench, Judged, Request, Setting, Suite, selection  # noqa: E402
from harness.suite.recorded import provenance  # noqa: E402
from harness.suite.request import missing  # noqa: E402
from harness.verdict import Verdict, golden_of  # noqa: E402

TIERS = (Tier.KERNEL, Tier.SERVER)
WELL = (Verdict.PASS, Verdict.UNFIXED)
"""What is to be seen on any release: one from before a fix has none to lose."""
NEW = frozenset({Verdict.UNRECORDED, Verdict.CHANGED})


class TimeIsUp(Exception):
    """The run is over, whatever is under way."""


@dataclass(frozen=True)
class Row:
    """One run of one case. An arm that came to nothing has no entry in `faults`."""

    case: str
    verdict: str
    reason: str
    seconds: float
    faults: dict[str, list[str]]
    drift: tuple[str, ...] = ()

    @classmethod
    def of(cls, judged: Judged) -> Row:
        result = judged.result
        seen = {name: arm for name, arm in result.arms.items() if arm.unresolved is None}
        faults = {
            name: sorted({fault.signature for point in arm.points for fault in point.faults})
            for name, arm in seen.items()
        }
        verdict = result.verdict.value if result.verdict else "none"
        return cls(
            _name(result), verdict, result.reason, round(result.seconds, 1), faults, tuple(result.drift)
        )


@dataclass
class Table:
    """The runs by case; each case was to run `wanted` times."""

    wanted: int
    cases: Sequence[str]
    rows: list[Row] = field(default_factory=list)

    def of(self, case: str) -> list[Row]:
        return [row for row in self.rows if row.case == case]

    @property
    def steady(self) -> bool:
        """Whether every case ended alike, and well, in as many runs as were asked for."""
        verdicts = [Counter(row.verdict for row in self.of(case)) for case in self.cases]
        steady = [{verdict.value: self.wanted} for verdict in WELL]
        return bool(verdicts) and all(one in steady for one in verdicts)

    def markdown(self) -> str:
        lines = [
            "| case | runs | verdicts | PASS | faults, fixed arm | faults, reverted arm | seconds |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(self._line(case) for case in self.cases),
        ]
        return "\n".join(lines) + "\n" + "".join(f"\n{line}" for line in self._differences())

    def _line(self, case: str) -> str:
        rows = self.of(case)
        told = Counter(row.verdict for row in rows)
        verdicts = ", ".join(f"{name} {count}" for name, count in told.most_common()) or "not run"
        passed = Rate(told[Verdict.PASS.value], len(rows))
        seconds = f"{statistics.median(row.seconds for row in rows):.0f}" if rows else ""
        arms = [str(self._rate(rows, arm)) for arm in ("fixed", "reverted")]
        cells = (case, f"{len(rows)} of {self.wanted}", verdicts, str(passed), *arms, seconds)
        return f"| {' | '.join(cells)} |"

    @staticmethod
    def _rate(rows: Sequence[Row], arm: str) -> Rate:
        seen = [row.faults[arm] for row in rows if arm in row.faults]
        return Rate(sum(bool(faults) for faults in seen), len(seen))

    def _differences(self) -> Iterator[str]:
        """Every reason of a run that was not PASS, and every set of faults, with how often it came."""
        for case in self.cases:
            rows = self.of(case)
            reasons = Counter(f"{row.verdict}: {row.reason}" for row in rows if row.verdict != "PASS")
            yield from (f"- {case}, {count} times {told}" for told, count in reasons.most_common())
            for arm in ("fixed", "reverted"):
                shown = Counter("; ".join(row.faults[arm]) for row in rows if arm in row.faults)
                if len(shown) > 1:
                    yield from (f"- {case}, {arm} arm, {n} times: {told}" for told, n in shown.most_common())


@dataclass
class Kept:
    """The files of a run, made anew with every result."""

    out: Path
    tier: Tier
    table: Table
    goldens: dict[str, str] = field(default_factory=dict)

    def add(self, judged: Judged, setting: Setting) -> Row:
        row = Row.of(judged)
        self.table.rows.append(row)
        with (self.out / f"verdicts-{self.tier}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(vars(row)) + "\n")
        (self.out / f"verdicts-{self.tier}.md").write_text(self.table.markdown(), encoding="utf-8")
        if judged.result.verdict in NEW:
            self._propose(judged, setting, len(self.table.of(row.case)))
        return row

    def _propose(self, judged: Judged, setting: Setting, run: int) -> None:
        result = judged.result
        command = f"refault record {result.reproducer} --tier {result.tier}"
        name = f"{result.reproducer}/{result.tier}.{result.platform}.json"
        try:
            golden = golden_of(result, judged.evidence, provenance(setting, result, command))
        except RefaultError as error:
            print(f"no golden of {name}: {error}", flush=True)
            return
        self.goldens[f"run-{run}/{name}"] = golden.text
        with tarfile.open(self.out / f"goldens-{self.tier}.tgz", "w:gz") as archive:
            for path, text in self.goldens.items():
                _add(archive, path, text.encode())


def _name(key: Any) -> str:
    """A case as the tables call it, from its key or its result."""
    return f"{key.reproducer} {key.tier} {key.platform}"


def _add(archive: tarfile.TarFile, path: str, data: bytes) -> None:
    entry = tarfile.TarInfo(path)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def here(
    bugs: Sequence[str], tier: Tier, setting: Setting, known: catalogue.Catalogue, everywhere: bool = False
) -> list[Request]:
    """The cases of this tier that run on this machine's device, or also on its CPU."""
    machine = setting.machine
    asked = [request.on(machine) for request in selection.select(bugs, [tier], known.subjects)]
    chosen = [one for one in asked if everywhere or one.platform_on(machine).host.has_devices]
    for request in chosen:
        if lacking := missing(request, machine):
            print(f"UNSUPPORTED {request.reproducer.id}: this machine lacks {', '.join(lacking)}", flush=True)
    return [request for request in chosen if not missing(request, machine)]


def run(requests: Sequence[Request], setting: Setting, kept: Kept, repeat: int) -> None:
    """All runs, the cases in turn, so that those of a shorter run are spread over all of them."""
    began = time.monotonic()
    with Suite(setting) as suite:
        for judged in suite.run([request for _ in range(repeat) for request in requests]):
            row = kept.add(judged, setting)
            spent = time.monotonic() - began
            print(f"{spent:5.0f} s  {row.verdict:<11} {row.case}: {row.reason}"[:300], flush=True)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """TimeIsUp in the block after so many seconds, and where the process is to end."""

    def up(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    before = [signal.signal(number, up) for number in (signal.SIGALRM, signal.SIGTERM)]
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGALRM, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every case was PASS, or UNFIXED, as often as asked; 4 where there is none to run."""
    chosen = _arguments(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    known = catalogue.read(())
    setting = Bench.here(known.homes, chosen.lanes).given("installed")
    requests = here(chosen.bugs, chosen.tier, setting, known, chosen.everywhere)
    names = [_name(request.key(setting.machine)) for request in requests]
    kept = Kept(chosen.out, chosen.tier, Table(chosen.repeat, names))
    try:
        with limited(chosen.seconds):
            run(requests, setting, kept, chosen.repeat)
    except TimeIsUp:
        print(f"stopped: {len(kept.table.rows)} of {len(names) * chosen.repeat} runs", flush=True)
    print(kept.table.markdown(), flush=True)
    return 4 if not requests else 0 if kept.table.steady else 1


def _arguments(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--tier", type=Tier, choices=TIERS, required=True)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each case")
    parser.add_argument("--seconds", type=float, default=500.0, help="for all of them")
    parser.add_argument("-n", dest="lanes", type=int, default=8, help="arms at a time")
    parser.add_argument("--everywhere", action="store_true", help="also the cases of this machine's CPU")
    parser.add_argument("bugs", nargs="*", help="only these; all of them by default")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
