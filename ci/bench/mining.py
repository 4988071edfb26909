#!/usr/bin/env python3
"""Holds `refault mine` against known fixes: is each among the candidates of its own pair of releases?

Reads ci/bench/mining.toml, and fetches the releases that the cache lacks. Prints for each fix its place in
the list, its score and its reasons, and how many there are of all. `--quick` looks at the files of the known
functions alone, so that the places mean nothing. Ends with 1 below 90 %.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.machine.workspace import default as default_workspace
from harness.mine.changes import Versions, changed
from harness.mine.rank import Candidate, Ranked, ranked
from harness.mine.versions import FOLDERS, of_trees
from harness.source.releases import Releases

TABLE = Path(__file__).with_suffix(".toml")
WANTED = 0.9
Fix = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="look at the files of the known functions alone")
    quick = parser.parse_args().quick
    fixes: list[Fix] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["fix"]
    pairs = dict.fromkeys((fix["from"], fix["to"]) for fix in fixes)
    found = [hit for pair in pairs for hit in _pair(*pair, fixes, quick)]
    print(f"{sum(found)} of {len(found)} fixes are among the candidates of their pair")
    return int(sum(found) < WANTED * len(found))


def _pair(before: str, after: str, fixes: Sequence[Fix], quick: bool) -> Iterator[bool]:
    known = [fix for fix in fixes if (fix["from"], fix["to"]) == (before, after)]
    names = {name.rpartition(".")[2] for fix in known for name in fix["functions"]} if quick else set()
    listed = _listed(before, after, names)
    print(f"{before} to {after}: {listed.changed} functions differ, {len(listed.candidates)} candidates")
    for fix in known:
        hits = [(place, one) for place, one in enumerate(listed.candidates, 1) if _is_of(one, fix)]
        print(f"  {fix['about']:<24} {_told(*hits[0]) if hits else 'is no candidate'}", flush=True)
        yield bool(hits)


def _listed(before: str, after: str, names: set[str]) -> Ranked:
    cached = Releases(default_workspace().releases)
    files = of_trees(cached.tree(before), cached.tree(after), FOLDERS)
    return ranked(changed(file for file in files if not names or _mentions(file, names)))


def _mentions(file: Versions, names: set[str]) -> bool:
    texts = (file.before or b"", file.after or b"")
    return any(f"def {name}(".encode() in text for name in names for text in texts)


def _is_of(candidate: Candidate, fix: Fix) -> bool:
    """Whether a candidate is of a function of the fix: of a plain name in whichever class."""
    functions = (candidate.changed.qualname, *candidate.also)
    return any(
        function == name or function.endswith(f".{name}")
        for function in functions
        for name in fix["functions"]
    )


def _told(place: int, one: Candidate) -> str:
    kinds = ", ".join(one.reasons[:3])
    return f"place {place}, score {one.score:.2f}, {one.changed.qualname} ({kinds})"


if __name__ == "__main__":
    sys.exit(main())
