"""Goldens that would judge less strictly than their case: each is a good one with one thing changed."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.golden.form import digest
from harness.verdict import Verdict

Data = dict[str, Any]
Change = Callable[[Data], object]


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """A golden, and how the case must end on it: by a verdict, or refused (None); `told` is said then.

    The file has its right digest unless it is `left` as it was. `made` puts something else in its place.
    """

    name: str
    told: str
    verdict: Verdict | None = None
    change: Change = lambda data: None
    raw: Callable[[str], bytes] | None = None
    made: Callable[[Path], object] | None = None
    left: bool = False

    def put(self, path: Path, good: Mapping[str, Any]) -> None:
        """Put it where the golden is looked for."""
        if self.made:
            self.made(path)
            return
        data = copy.deepcopy(dict(good))
        self.change(data)
        if not self.left:
            data["digest"] = digest(data)
        text = json.dumps(data, indent=1)
        path.write_bytes(self.raw(text) if self.raw else text.encode())


def points(data: Data, arm: str) -> list[Data]:
    found: list[Data] = data["arms"][arm]["points"]
    return found


def tolerating(**facts: Any) -> Change:
    return lambda data: data["tolerance"].update(facts)


def of_point(arm: str, **facts: Any) -> Change:
    """Other facts of the default point of an arm."""
    return lambda data: points(data, arm)[0].update(facts)


def wrong_floats(data: Data) -> None:
    for arm in data["arms"]:
        for point in points(data, arm):
            point["results"]["half"] = 1e300


def wrong_floats_borne(data: Data) -> None:
    wrong_floats(data)
    data["tolerance"]["absolute"] = 1e308


def without(*path: str | int) -> Change:
    def change(data: Data) -> None:
        place: Any = data
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


def each(change: Callable[[list[Data]], object]) -> Change:
    """The same change of the points of both arms."""

    def both(data: Data) -> None:
        for arm in ("fixed", "reverted"):
            change(points(data, arm))

    return both


def another_point(found: list[Data]) -> None:
    found.append({**found[1], "params": {**found[1]["params"], "page_size": 2}})


def no_trace(data: Data) -> None:
    """The digest of an empty trace stands for the trace."""
    for arm in ("fixed", "reverted"):
        point = points(data, arm)[0]
        del point["trace"]
        point["trace_sha256"] = points(data, arm)[1]["trace_sha256"]


def other_trace(data: Data) -> None:
    points(data, "fixed")[0]["trace"][-1]["event"] = "other"


def larger_fault(data: Data) -> None:
    (fault,) = points(data, "reverted")[0]["faults"]
    fault.update(count=fault["count"] + 1)
    fault["signature"] = fault["signature"].replace(f"count={fault['count'] - 1}", f"count={fault['count']}")


def huge_number(data: Data) -> None:
    points(data, "reverted")[0]["faults"][0]["first"] = -(10**400)


def replacing(old: str, new: str) -> Callable[[str], bytes]:
    def change(text: str) -> bytes:
        assert old in text
        return text.replace(old, new, 1).encode()

    return change


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


_FIXED = ("arms", "fixed")
SPOILED: Sequence[Spoiled] = (
    Spoiled(name="tolerance of 1e308", change=tolerating(absolute=1e308), told="has the tolerance 1e+308"),
    Spoiled(name="wrong floats borne", change=wrong_floats_borne, told="has the tolerance 1e+308"),
    Spoiled(name="relative tolerance", change=tolerating(relative=1e308), told="relative 1e+308"),
    Spoiled(name="both beyond", change=tolerating(absolute=1e308, relative=1e308), told="beyond any number"),
    Spoiled(name="a little more", change=tolerating(absolute=2e-6), told="and its case has 1e-06"),
    Spoiled(name="no tolerance at all", change=without("tolerance"), told="tolerance is missing"),
    Spoiled(name="half a tolerance", change=without("tolerance", "relative"), told="relative is missing"),
    Spoiled(name="negative tolerance", change=tolerating(absolute=-1), told="is -1, less than 0"),
    Spoiled(name="tolerance of true", change=tolerating(absolute=True), told="absolute is True, not number"),
    Spoiled(name="tolerance in words", change=tolerating(absolute="Infinity"), told="is 'Infinity', not num"),
    Spoiled(name="infinite tolerance", raw=replacing("1e-06", "1e999"), told="beyond what a float holds"),
    Spoiled(name="tolerance of NaN", raw=replacing("1e-06", "NaN"), told="NaN is no number"),
    Spoiled(name="wrong floats", change=wrong_floats, verdict=Verdict.REGRESSED, told="golden 1e+300"),
    Spoiled(name="altered", change=wrong_floats, left=True, told="its content is not that of its digest"),
    Spoiled(name="no digest", change=without("digest"), left=True, told="digest is missing"),
    Spoiled(name="a switch", change=lambda data: data.update(strict=False), told="strict is not known"),
    Spoiled(name="a switch of a point", change=of_point("fixed", binds=False), told="binds is not known"),
    Spoiled(name="earlier format", change=lambda data: data.update(golden=1), told="has format 1, but this"),
    Spoiled(name="format in words", change=lambda data: data.update(golden="2"), told="has format '2', but"),
    Spoiled(name="no points", change=each(list.clear), told="points has fewer than 1"),
    Spoiled(name="no arms", change=lambda data: data.update(arms={}), told="arms.fixed is missing"),
    Spoiled(name="no fixed arm", change=without(*_FIXED), told="arms.fixed is missing"),
    Spoiled(
        name="no reverted arm", change=without("arms", "reverted"), verdict=Verdict.UNRECORDED,
        told="the golden lacks the reverted arm's point",
    ),
    Spoiled(
        name="fewer points", change=each(list.pop), verdict=Verdict.UNRECORDED, told="the golden lacks"
    ),
    Spoiled(name="more points", change=each(another_point), verdict=Verdict.UNRECORDED, told="that is gone"),
    Spoiled(name="a point twice", change=each(lambda found: found.append(found[1])), told="is there twice"),
    Spoiled(
        name="faults emptied", change=of_point("reverted", faults=[], outcome="clean"),
        verdict=Verdict.CHANGED, told="golden absent, seen oob-write",
    ),
    Spoiled(name="outcome alone", change=of_point("reverted", outcome="clean"), told="contradicts itself"),
    Spoiled(name="faults alone", change=of_point("reverted", faults=[]), told="contradicts itself"),
    Spoiled(name="larger fault", change=larger_fault, verdict=Verdict.CHANGED, told="differs from its"),
    Spoiled(
        name="outputs emptied", change=of_point("fixed", results={}), verdict=Verdict.REGRESSED,
        told="golden absent, seen",
    ),
    Spoiled(
        name="other outputs", change=of_point("fixed", results={"other": 1}), verdict=Verdict.REGRESSED,
        told="results.other: golden 1, seen absent",
    ),
    Spoiled(name="no results", change=without(*_FIXED, "points", 0, "results"), told="results is missing"),
    Spoiled(name="no findings", change=without(*_FIXED, "points", 0, "findings"), told="findings is missing"),
    Spoiled(name="trace emptied", change=of_point("fixed", trace=[]), told="trace has fewer than 1"),
    Spoiled(name="no trace", change=without(*_FIXED, "points", 0, "trace"), told="needs a trace, or the dig"),
    Spoiled(name="trace and digest", change=of_point("fixed", trace_sha256="0" * 64), told="and not both"),
    Spoiled(
        name="another's trace", change=no_trace, told="lacks its trace, which the default point keeps"
    ),
    Spoiled(name="other trace", change=other_trace, verdict=Verdict.REGRESSED, told="trace differs from"),
    Spoiled(name="of no tree", change=without("provenance", "tree"), told="provenance.tree is missing"),
    Spoiled(
        name="of some tree", change=lambda data: data["provenance"].update(tree="any"), told="does not fit"
    ),
    Spoiled(
        name="another's", change=lambda data: data.update(platform="cuda-sm90"), told="is the golden of pr101"
    ),
    Spoiled(name="huge number", change=huge_number, told="less than"),
    Spoiled(name="name given twice", raw=replacing('"tier"', '"tier": "kernel", "tier"'), told="given twice"),
    Spoiled(name="empty", raw=lambda text: b"", told="unreadable"),
    Spoiled(name="no text", raw=lambda text: b"\xff\xfe", told="unreadable"),
    Spoiled(name="deep", raw=lambda text: b"[" * 100_000, told="nested deeper than 100 levels"),
    Spoiled(name="no object", raw=lambda text: b"[]", told="has format None"),
    Spoiled(name="cut off", raw=lambda text: text.encode()[:-9], told="unreadable"),
    Spoiled(name="a FIFO", made=lambda path: os.mkfifo(path), told="is a FIFO"),
    Spoiled(name="a folder", made=lambda path: path.mkdir(), told="is a folder"),
    Spoiled(name="a device", made=lambda path: path.symlink_to("/dev/zero"), told="is a device"),
    Spoiled(name="a dangling link", made=lambda path: path.symlink_to("gone"), told="cannot be read"),
    Spoiled(name="larger than memory", made=large, told="which is the most that is read here"),
)  # fmt: skip
