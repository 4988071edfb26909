"""What a run showed that must not depend on the machine: verdicts, and the signatures of faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

Seen = Mapping[str, tuple[str, ...]]
"""By case, arm and point: the verdict, or what it showed, as text that is compared byte for byte."""


def read(file: Path) -> dict[str, tuple[str, ...]]:
    """What the document of a run holds. Raises ValueError where it is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return {name: told for result in document["results"] for name, told in _of_result(result)}
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"{file.name}: no results ({error})") from error


def verdicts(seen: Seen) -> list[str]:
    """The verdicts alone, sorted."""
    return sorted(told[0] for name, told in seen.items() if name.endswith(" verdict"))


def differences(base: Seen, seen: Seen) -> list[str]:
    """Where the two part, a line each."""
    found = []
    for name in sorted({*base, *seen}):
        pairs = zip_longest(base.get(name, ()), seen.get(name, ()), fillvalue="nothing")
        found += [f"{name}: base {one!r}, here {other!r}" for one, other in pairs if one != other]
    return found


def _of_result(result: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    case = f"{result['reproducer']} {result['tier']} {result['platform']}"
    yield f"{case} verdict", (str(result["verdict"]),)
    for arm, told in sorted(result["arms"].items()):
        if told is not None:
            for point in (told, *told["points"]):
                yield from _of_point(f"{case} {arm}", result, point, result["tier"] == "server")


def _of_point(
    where: str, result: Mapping[str, Any], point: Mapping[str, Any], server: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A server's findings depend on how its scheduler batched, and are left out: nothing judges them."""
    params = point.get("params", result["params"])
    named = f"{where} {json.dumps(params, sort_keys=True)}"
    yield f"{named} faults", _signatures(point["faults"])
    if not server:
        yield f"{named} findings", _signatures(point["findings"])


def _signatures(faults: list[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted(str(fault["signature"]) for fault in faults))
