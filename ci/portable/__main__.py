#!/usr/bin/env python3
"""Runs the same cases on the same tree as on other machines: every row must show what the first one does.

A row changes one thing: a BLAS kernel, threads, a locale, a home, a user. Verdicts and the signatures of
faults are compared byte for byte. OUT gets a log and the results of each row, and portable.json, which is
written after each, so that an interrupted run keeps what it has. Ends with 0 if every row that the machine
can have agrees, with 1 if one does not, with 2 for a row that is not known, and with 130 if interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ci.portable import machine, places, signatures, stack
from ci.portable.machine import Absent
from ci.portable.rows import BASE, Row, rows

Word = Literal["same", "differs", "failed", "not here"]
TIERS = ("--tier", "codegen", "--tier", "kernel")
MINUTES = 20.0
SHOWN = 20
"""Differences of a row that are printed."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a row: `verdicts` are counted, `differences` are from the first row."""

    row: str
    word: Word
    seconds: float
    verdicts: str = ""
    note: str = ""
    differences: Sequence[str] = ()


def main() -> int:
    asked = _arguments()
    known = {row.name: row for row in rows()}
    if asked.list:
        print("\n".join(f"{row.name:<20} {row.about}" for row in known.values()))
        return 0
    if unknown := [name for name in asked.rows if name not in known]:
        print(f"portable: no row is called {unknown[0]}: --list names them", file=sys.stderr)
        return 2
    chosen = [row for row in known.values() if not asked.rows or row.name in (BASE, *asked.rows)]
    return _run(chosen, asked)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = parser.add_argument
    add("--rows", nargs="+", default=[], metavar="NAME", help="only these, beside the first")
    add("--list", action="store_true", help="name the rows and run nothing")
    add("--bugs", nargs="*", default=[], metavar="BUG", help="only these in the codegen and kernel tiers")
    add("--server", default="26866", metavar="CASE", help="the case that runs with its server (%(default)s)")
    add("--no-server", action="store_true", help="leave the server out")
    add("--stack", type=Path, action="append", default=[], metavar="FILE",
        help="also a row with these other versions, as pip's requirements; repeatable")  # fmt: skip
    add("--sglang", default="installed", help="a tree as `refault --sglang` takes it")
    add("--out", type=Path, default=Path("build/portable"), help="the folder that takes everything")
    add("--json", type=Path, metavar="FILE", help="write the table here, not to OUT/portable.json")
    add("-n", dest="lanes", type=int, default=os.cpu_count() or 1, help="arms at once")
    return parser.parse_args()


def _run(chosen: Sequence[Row], asked: argparse.Namespace) -> int:
    out: Path = asked.out.resolve()
    table = (asked.json or out / "portable.json").resolve()
    try:
        (out / "cache").mkdir(parents=True, exist_ok=True)
        table.parent.mkdir(parents=True, exist_ok=True)
        table.touch()
    except OSError as error:
        print(f"portable: {error.filename}: cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    ended: list[Outcome] = []
    try:
        print(_about(), flush=True)
        for outcome in _outcomes(chosen, asked, out):
            ended.append(outcome)
            table.write_text(json.dumps([asdict(one) for one in ended], indent=1) + "\n", encoding="utf-8")
            _tell(outcome)
    except KeyboardInterrupt:
        print(f"interrupted: {table} has the {len(ended)} rows that ended", file=sys.stderr)
        return 130
    return _summed(ended)


def _about() -> str:
    """What the first row runs on."""
    capability, blas = machine.torch_kernels()
    return f"numpy's BLAS: OpenBLAS {_kernel()}; torch's: {blas}, its own kernels for {capability}"


def _kernel() -> str:
    try:
        return machine.blas_kernel(None)
    except Absent as absent:
        return str(absent)


def _outcomes(chosen: Sequence[Row], asked: argparse.Namespace, out: Path) -> Iterator[Outcome]:
    """Every row, then every stack; nothing after a first row that failed, with which none can agree."""
    base: signatures.Seen = {}
    taken: dict[str, str] = {}
    for row in chosen:
        outcome, seen = _row(row, taken, base, asked, out)
        base = seen if row.name == BASE else base
        yield outcome
        if row.name == BASE and outcome.word != "same":
            return
    kernel = {name: told for name, told in base.items() if " server " not in name}
    for file in asked.stack:
        yield _stack(file, kernel, asked, out)


def _row(
    row: Row, taken: dict[str, str], base: signatures.Seen, asked: argparse.Namespace, out: Path
) -> tuple[Outcome, signatures.Seen]:
    since = time.monotonic()
    try:
        note = machine.check(row, taken)
        if row.core:
            taken[note.rpartition(" ")[2]] = row.name
        with places.ready(row.place, out / "cache") as place:
            seen, problem = _seen(row, place, asked, out)
    except Absent as absent:
        seconds = time.monotonic() - since
        return Outcome(row=row.name, word="not here", seconds=seconds, note=str(absent)), {}
    first = seen if row.name == BASE else base
    seconds = time.monotonic() - since
    return _judged(row.name, first, seen, problem or note, bool(problem), seconds), seen


def _stack(file: Path, base: signatures.Seen, asked: argparse.Namespace, out: Path) -> Outcome:
    since = time.monotonic()
    row = Row(name=f"stack-{file.stem}", about=str(file))
    try:
        place = stack.ready(file, out)
    except stack.NotMade as failed:
        return Outcome(row=row.name, word="failed", seconds=time.monotonic() - since, note=str(failed))
    without = argparse.Namespace(**{**vars(asked), "no_server": True})
    seen, problem = _seen(row, place, without, out)
    note = "; ".join(filter(None, (problem, stack.versions(place))))
    return _judged(row.name, base, seen, note, bool(problem), time.monotonic() - since)


def _judged(
    name: str, base: signatures.Seen, seen: signatures.Seen, note: str, failed: bool, seconds: float
) -> Outcome:
    parted = signatures.differences(base, seen) if seen else []
    counted = Counter(signatures.verdicts(seen))
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counted.items()))
    word: Word = "failed" if failed and not parted else "differs" if parted else "same"
    return Outcome(row=name, word=word, seconds=seconds, verdicts=verdicts, note=note, differences=parted)


# --- one row -------------------------------------------------------------------------------------


def _seen(row: Row, place: places.Ready, asked: argparse.Namespace, out: Path) -> tuple[signatures.Seen, str]:
    """What the row's runs showed, and why they are no good, if they are not."""
    given = ("--sglang", asked.sglang, "-n", str(asked.lanes))
    runs = {"kernel": (*asked.bugs, *TIERS, *given)}
    if not asked.no_server:
        runs["server"] = (asked.server, "--tier", "server", *given)
    seen: dict[str, tuple[str, ...]] = {}
    problems = []
    for name, words in runs.items():
        results = out / f"{row.name}.{name}.json"
        results.unlink(missing_ok=True)
        code = _code(row, place, words, results)
        try:
            seen |= signatures.read(results)
        except ValueError as error:
            problems.append(f"{name}: {error}")
        if code not in (0, 4):  # 4: nothing but UNSUPPORTED
            problems.append(f"{name}: {f'ended with {code}' if code is not None else 'out of time'}")
    return seen, "; ".join(problems)


def _code(row: Row, place: places.Ready, words: Sequence[str], results: Path) -> int | None:
    """The exit code of one run; None if it ran out of its time.

    Its JSON comes through standard output, since another user may not write in OUT.
    """
    command = [
        *place.wrapper,
        place.python,
        "-P",
        *row.options,
        "-m",
        "harness",
        "run",
        *words,
        "--json",
        "-",
    ]
    changed = {**os.environ, **place.variables, **row.variables}
    environment = {name: value for name, value in changed.items() if value is not None}
    with results.open("wb") as written, results.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=place.folder, env=environment, stdin=subprocess.DEVNULL, stdout=written, stderr=log
        )
        try:
            return process.wait(timeout=MINUTES * 60)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            return None
        except KeyboardInterrupt:
            process.wait()  # Ctrl-C reaches it too, and it ends what it started
            raise


# --- what is told --------------------------------------------------------------------------------


def _tell(outcome: Outcome) -> None:
    line = f"{outcome.word:<9} {outcome.row:<20} {outcome.seconds:6.1f} s  {outcome.verdicts}"
    print(f"{line}{'  ' if outcome.verdicts else ''}{outcome.note}".rstrip(), flush=True)
    for difference in outcome.differences[:SHOWN]:
        print(f"          {difference}", flush=True)
    if more := outcome.differences[SHOWN:]:
        print(f"          and {len(more)} more, which the JSON has", flush=True)


def _summed(ended: Sequence[Outcome]) -> int:
    counted = Counter(one.word for one in ended)
    seconds = sum(one.seconds for one in ended)
    print(f"{', '.join(f'{count} {word}' for word, count in counted.items())}; {seconds:.0f} s in all")
    return 1 if counted["differs"] or counted["failed"] or not counted["same"] else 0


if __name__ == "__main__":
    sys.exit(main())
