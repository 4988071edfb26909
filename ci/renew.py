#!/usr/bin/env python3
"""Tries the newest release of upstream: new pins in a fresh environment, every case there, what changed.

    python ci/renew.py --environment build/renewed            # tries, and lists; the checkout stays as it is
    python ci/renew.py --environment build/renewed --write    # also writes the pins, and what only drifted

OUT gets results.json, and RENEWAL.md: one line for each case, what upstream asks for otherwise than the pins,
and the goldens of other platforms, which stay with the release that ran there. With --write goldens are
recorded of the cases that hold; one whose values or faults are others stays a question, and its golden as it
is. Ends with 1 where a question is open.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness.errors import BadInput  # noqa: E402
from harness.machine.workspace import default as workspace  # noqa: E402
from harness.source import known  # noqa: E402
from harness.source.releases import Releases  # noqa: E402

PINS = ROOT / "ci/requirements"
UPSTREAM = PINS / "upstream.txt"
TIERS = ("codegen", "kernel", "server")
TABLES = {"harness.source.known": "known.toml", "harness.source.age": "landmarks.toml"}
"""What prints the tables that know releases, and where below harness/source they are."""
_PIN = re.compile(r"^sglang==(\S+)$", re.MULTILINE)
_EXACT = re.compile(r"^Requires-Dist: *([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!]+) *$", re.MULTILINE)


class Word(StrEnum):
    """What became of a case."""

    SAME = "same"
    """As its golden in everything, the trace included."""
    DRIFTED = "drifted"
    """As its golden in all that binds; names or steps are others."""
    STALE = "revert no longer matches"
    QUESTION = "changed verdict"
    """Values, faults or the verdict are others: somebody has to say why before it is recorded."""
    UNFIXED = "not fixed in it yet"
    """The release is older than the fix: its golden stays with one that has it, and runs of it fail."""
    NOT_HERE = "not run here"
    """This machine lacks what it needs: its golden stays with the release that ran it."""
    OWN_RELEASE = "on its own release"
    """Retired: it does not run on this release."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One case on the new release; `told` are the reason of its verdict and its first drift."""

    reproducer: str
    tier: str
    platform: str
    word: Word
    told: str = ""

    @property
    def is_open(self) -> bool:
        return self.word in (Word.STALE, Word.QUESTION, Word.UNFIXED)

    @property
    def holds(self) -> bool:
        return self.word in (Word.SAME, Word.DRIFTED)


def outcome(row: Mapping[str, Any]) -> Outcome:
    """What a result of the JSON says of its case."""
    place = {name: str(row[name]) for name in ("reproducer", "tier", "platform")}
    word, drift = _word(row), row["drift"]
    told = drift[0] if word is Word.DRIFTED else row["reason"]
    return Outcome(**place, word=word, told=str(told) if word is not Word.SAME else "")


def _word(row: Mapping[str, Any]) -> Word:
    if row["verdict"] == "UNSUPPORTED":
        return Word.NOT_HERE
    if row["verdict"] in ("STALE", "UNFIXED"):
        return Word[row["verdict"]]
    if row["verdict"] != "PASS":
        return Word.QUESTION
    if "retired" in row:
        return Word.OWN_RELEASE
    return Word.DRIFTED if row["drift"] else Word.SAME


def recordable(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """The reproducers and tiers whose goldens may be recorded anew: no platform of theirs has a question."""
    refused = {(one.reproducer, one.tier) for one in outcomes if one.is_open}
    held = dict.fromkeys((one.reproducer, one.tier) for one in outcomes if one.holds)
    return [pair for pair in held if pair not in refused]


def pinned(text: str, release: str) -> str:
    """The pins with another release of upstream. BadInput where they name none."""
    if len(_PIN.findall(text)) != 1:
        raise BadInput(f"{UPSTREAM}: holds not exactly one line sglang==…: restore it")
    return _PIN.sub(f"sglang=={release}", text)


def asked(metadata: str, pins: str) -> Iterator[str]:
    """What a release asks for exactly, and the pins have otherwise."""
    have = dict(re.findall(r"^([\w.-]+)==(\S+)$", pins, re.MULTILINE))
    for name, version in sorted(set(_EXACT.findall(metadata))):
        if name in have and have[name] != version:
            yield f"{name}: upstream asks for {version}, pinned is {have[name]}"


def kept_goldens(folder: Path, release: str) -> Iterator[str]:
    """The goldens that are of another release than this one, each with its own."""
    for path in sorted(folder.rglob("*.json")):
        own = json.loads(path.read_bytes())["provenance"].get("sglang", "unknown")
        if own != release:
            yield f"{path.relative_to(folder)}: of {own}"


def report(
    release: str, outcomes: Sequence[Outcome], asks: Iterable[str], kept: Iterable[str]
) -> Iterator[str]:
    """RENEWAL.md, line by line."""
    yield f"# SGLang {release}"
    yield ""
    yield "| case | what became of it | |"
    yield "| --- | --- | --- |"
    for one in outcomes:
        told = one.told.replace("|", "\\|").replace("`", "")
        yield f"| {one.reproducer} {one.tier} {one.platform} | {one.word} | {told} |"
    for heading, lines in (("Asked for otherwise", list(asks)), ("Goldens of other releases", list(kept))):
        yield from ("", f"## {heading}", "", *(f"- {line}" for line in lines or ["none"]))


# --- doing it --------------------------------------------------------------------------------


def make(environment: Path, pins: Path, python: str) -> Path:
    """A fresh environment with these pins of upstream, and its interpreter. BadInput where there is one."""
    if environment.exists():
        raise BadInput(f"--environment {environment}: is there already: name a folder that is not")
    own = environment / "bin/python"
    pip = [str(own), "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-input"]
    _run([python, "-m", "venv", "--copies", str(environment)])
    _run([*pip, "-r", str(PINS / "torch.txt")])
    others = [word for name in ("refault.txt", "dev.txt") for word in ("-r", str(PINS / name))]
    _run([*pip, "--no-deps", "-r", str(pins), *others])
    return own


def _run(command: Sequence[str], good: Sequence[int] = (0,)) -> str:
    """What a command printed. BadInput, with its last line, where it fails."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in good:
        last = (done.stdout.strip().splitlines() or ["it printed nothing"])[-1]
        raise BadInput(f"`{' '.join(command[:6])} …` ended with {done.returncode}: {last}")
    return done.stdout


def _judged(python: Path, out: Path, tiers: Sequence[str], lanes: int) -> list[Outcome]:
    words = [word for tier in tiers for word in ("--tier", tier)]
    file = out / "results.json"
    _run(
        [str(python), "-P", "-m", "harness", "run", *words, "--json", str(file), "-n", str(lanes)], (0, 1, 3)
    )
    return [outcome(row) for row in json.loads(file.read_bytes())["results"]]


def _write(python: Path, pins: str, outcomes: Sequence[Outcome]) -> None:
    """The pins, the tables of releases, and the goldens of what holds."""
    UPSTREAM.write_text(pins, encoding="utf-8")
    for module, name in TABLES.items():
        (ROOT / "harness/source" / name).write_text(_run([str(python), "-P", "-m", module]), encoding="utf-8")
    for reproducer, tier in recordable(outcomes):
        command = [str(python), "-P", "-m", "harness", "record", reproducer, "--tier", tier, "--update"]
        print(_run(command), end="", flush=True)


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the suite ends with it, as with Ctrl-C
    options = _arguments()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    kept = Releases(workspace().releases)
    release = options.release or kept.published(known.OLDEST)[-1]
    pins, proposed = pinned(UPSTREAM.read_text(encoding="utf-8"), release), out / "upstream.txt"
    proposed.write_text(pins, encoding="utf-8")
    python = make(options.environment.resolve(), proposed, options.python)
    outcomes = _judged(python, out, options.tiers or TIERS, options.lanes)
    if options.write:
        _write(python, pins, outcomes)
    metadata = next(kept.tree(release).root.glob("sglang-*.dist-info/METADATA")).read_text(encoding="utf-8")
    pins += (PINS / "torch.txt").read_text(encoding="utf-8")
    lines = list(report(release, outcomes, asked(metadata, pins), kept_goldens(ROOT / "golden", release)))
    (out / "RENEWAL.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 1 if any(one.is_open for one in outcomes) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = parser.add_argument
    add("--environment", type=Path, required=True, help="a folder that is not there yet: some 2.6 GB")
    add("--release", help="a release of upstream; by default the newest that pip finds")
    add("--out", type=Path, default=ROOT / "build/renew", help="the folder that takes what was found")
    add("--tier", action="append", dest="tiers", default=[], choices=TIERS, help="only this; repeatable")
    add("--python", default=sys.executable, help="the interpreter that the environment is made with")
    add("-n", dest="lanes", type=int, default=2, help="arms at once")
    add("--write", action="store_true", help="write the pins, and the goldens of what holds")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BadInput as error:
        sys.exit(f"renew: {error}")
