"""Reads back what `--json` wrote: the document, its results as they were judged, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.observation import Attestation, Exit, Observation, Point
from harness.verdict import Result, Verdict


@dataclass(frozen=True, kw_only=True)
class Document:
    """One run: which Refault, which SGLang, which machine, when, and the results.

    `at` is in UTC: what the document says, or, for one that does not say it, when its file was written.
    `digest` is the sha256 of the document's canonical JSON; `name` is the file's name, `folder` its place.
    """

    refault: str
    sglang: Mapping[str, Any]
    machine: Mapping[str, Any]
    at: datetime
    results: tuple[Result, ...]
    digest: str
    name: str = ""
    folder: Path | None = None

    @property
    def platform(self) -> str:
        return str(self.machine.get("platform", ""))


def load(path: Path) -> Document:
    """The document in a file. Raises BadInput where it cannot be read or is of another form."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValueError, RecursionError) as error:
        cause = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        raise _refused(path, f"cannot be read ({cause})") from error
    return parse(data, name=path.name, folder=path.parent, written=written, place=str(path))


def load_all(paths: Sequence[Path]) -> list[Document]:
    """The documents of several files, oldest first. Raises BadInput where one cannot be read, or for none."""
    if not paths:
        raise BadInput("no results file was named: give one or more files that --json wrote")
    return sorted(map(load, paths), key=lambda document: document.at)


def parse(
    data: Any,
    *,
    name: str = "",
    folder: Path | None = None,
    written: datetime | None = None,
    place: str = "document",
) -> Document:
    """The document in what `json.loads` gave. Raises BadInput, naming `place`, for another form."""
    try:
        return Document(
            refault=str(data["refault"]), sglang=dict(data["sglang"]), machine=dict(data["machine"]),
            at=_when(data.get("at"), written), results=tuple(map(result, data["results"])),
            digest=_digest(data), name=name, folder=folder,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise _refused(place, f"holds no results ({cause})") from error


def result(row: Mapping[str, Any]) -> Result:
    """One row of `results`. Raises KeyError, TypeError or ValueError for another form."""
    arms = {name: observation(name, arm, row["params"]) for name, arm in row["arms"].items()}
    unknown = arms.keys() - {"fixed", "reverted"}
    if unknown:
        raise ValueError(f"there is no arm {min(unknown)!r}")
    return Result(
        reproducer=row["reproducer"], pr=row["pr"], issue=row["issue"], tier=row["tier"],
        platform=row["platform"], params=dict(row["params"]), verdict=_verdict(row["verdict"]),
        evidence=row["evidence"], reason=row["reason"], drift=tuple(row["drift"]),
        seconds=float(row["seconds"]), configuration=bool(row.get("configuration", False)),
        rates=dict(row.get("rates", {})),
        fixed=arms.get("fixed"), reverted=arms.get("reverted"),
    )  # fmt: skip


def observation(name: str, arm: Mapping[str, Any], params: Mapping[str, Any]) -> Observation:
    """What `Observation.to_json` wrote for the arm `name`, whose default point has `params`."""
    main = Point.from_json({**arm, "params": dict(params)})
    # The JSON has the default point's fields even where no point was reached.
    seen = (main,) if main.faults or main.results or main.trace or not arm["unresolved"] else ()
    attested = arm["attestation"]
    return Observation(
        arm=name, exit=Exit(**arm["exit"]), points=(*seen, *map(Point.from_json, arm["points"])),
        attestation=Attestation.from_json(attested) if attested else None,
        unresolved=arm["unresolved"], seconds=float(arm["seconds"]), log=arm["log"],
    )  # fmt: skip


def _verdict(word: str | None) -> Verdict | None:
    return None if word is None else Verdict(word)


def _when(told: str | None, written: datetime | None) -> datetime:
    if told is None:
        return written or datetime.now(UTC)
    when = datetime.fromisoformat(told)
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _refused(place: Path | str, what: str) -> BadInput:
    return BadInput(f"{place}: {what}: give a file that `refault run --json` wrote")
