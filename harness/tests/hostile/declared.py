"""Results that claim what nothing shows: each is an honest document with one thing put in its place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.documents import sealed

Data = dict[str, Any]
Change = Callable[[Data], object]

OTHER = "f" * 64


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """A document, how the gate must end on it, and what it must say.

    `change` alters the honest document, which is then sealed anew unless it is `left` damaged; `raw` makes
    the bytes of the file from its text instead.
    """

    name: str
    told: str
    change: Change = lambda data: None
    raw: Callable[[str], bytes] | None = None
    left: bool = False
    code: int = 1
    policy: str = "cpu"

    def bytes(self, honest: Mapping[str, Any]) -> bytes:
        data = copy.deepcopy(dict(honest))
        self.change(data)
        text = json.dumps(data if self.left else sealed(data), indent=1)
        return self.raw(text) if self.raw else text.encode()


def row(data: Data) -> Data:
    """The one result of the document."""
    found: Data = data["results"][0]
    return found


def arm(data: Data, name: str) -> Data:
    found: Data = row(data)["arms"][name]
    return found


def setting(*path: str | int, to: Any) -> Change:
    """A change that puts a value in its place."""

    def change(data: Data) -> None:
        place: Any = data
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def of_row(name: str, to: Any) -> Change:
    return setting("results", 0, name, to=to)


def of_arm(which: str, name: str, to: Any) -> Change:
    return setting("results", 0, "arms", which, name, to=to)


def attesting(which: str, name: str, to: Any) -> Change:
    return setting("results", 0, "arms", which, "attestation", name, to=to)


def days_ago(number: float) -> str:
    return (datetime.now(UTC) - timedelta(days=number)).isoformat(timespec="seconds")


def bare(data: Data) -> None:
    """Seven rows of PASS without arms, of 2001."""
    data["at"] = "2001-01-01T00:00:00+00:00"
    row(data)["arms"] = {}
    data["results"] = [copy.deepcopy(row(data)) for _ in range(7)]


def without(which: str) -> Change:
    return lambda data: row(data)["arms"].pop(which)


def swapped(data: Data) -> None:
    arms = row(data)["arms"]
    arms["fixed"], arms["reverted"] = arms["reverted"], arms["fixed"]


def doubled_arm(which: str) -> Change:
    """One arm stands for both."""
    return lambda data: row(data)["arms"].update(
        {"reverted" if which == "fixed" else "fixed": copy.deepcopy(arm(data, which))}
    )


def violation(data: Data) -> Data:
    """The fault of the reverted arm."""
    found: Data = copy.deepcopy(arm(data, "reverted")["faults"][0])
    return found


def put_aside(data: Data) -> None:
    """The fault that the fixed arm shows is called a finding."""
    arm(data, "fixed")["findings"] = [violation(data)]


def faulty(data: Data) -> None:
    arm(data, "fixed").update(outcome="fault", faults=[violation(data)])


def cleaned(data: Data) -> None:
    arm(data, "reverted").update(outcome="clean", faults=[])


def of_another_kind(data: Data) -> None:
    one = violation(data)
    one.update(kind="nan", signature=one["signature"].replace("oob-write into", "nan"))
    arm(data, "reverted")["faults"] = [one]


def of_another_extent(data: Data) -> None:
    one = violation(data)
    one.update(
        last=one["last"] + 1,
        signature=one["signature"].replace(f"last={one['last']}", f"last={one['last'] + 1}"),
    )
    arm(data, "reverted")["faults"] = [one]


def fewer_points(data: Data) -> None:
    for name in ("fixed", "reverted"):
        arm(data, name)["points"] = []


def easy_point(data: Data) -> None:
    """The one point at which nothing is hard stands for the whole grid."""
    for name in ("fixed", "reverted"):
        (easy,) = arm(data, name)["points"]
        arm(data, name).update({key: easy[key] for key in easy if key != "params"}, points=[])
    row(data)["params"] = easy["params"]


def more_points(data: Data) -> None:
    for name in ("fixed", "reverted"):
        (easy,) = arm(data, name)["points"]
        arm(data, name)["points"].append({**easy, "params": {**easy["params"], "page_size": 2}})


def twice_a_point(data: Data) -> None:
    for name in ("fixed", "reverted"):
        arm(data, name)["points"] *= 2


def nameless_points(data: Data) -> None:
    for name in ("fixed", "reverted"):
        arm(data, name)["points"][0]["params"] = {}


def crashed(data: Data) -> None:
    arm(data, "fixed")["exit"] = {"how": "crash", "signal": "SIGSEGV"}


def moved(data: Data) -> None:
    """Both of the arms attest that they got another tree."""
    for name in ("fixed", "reverted"):
        arm(data, name)["attestation"]["tree"] = OTHER


def other_module(data: Data) -> None:
    arm(data, "fixed")["attestation"]["modules"][0].update(name="sglang.spare")


def other_outputs(data: Data) -> None:
    arm(data, "fixed")["results"]["half"] = 7.0


def unsupported(data: Data) -> None:
    row(data).update(verdict="UNSUPPORTED", arms={}, reason="this machine lacks triton")


def elsewhere(data: Data) -> None:
    data["machine"]["platform"] = row(data)["platform"] = "rocm-gfx942"


def twice(data: Data) -> None:
    data["results"] = [row(data), copy.deepcopy(row(data))]


def old_format(data: Data) -> None:
    for name in ("format", "digest", "run"):
        del data[name]


def old_version(data: Data) -> None:
    data["sglang"]["version"] = "0.0.1"


def cut(text: str) -> bytes:
    return text.encode()[:-200]


def replacing(old: str, new: str) -> Callable[[str], bytes]:
    def change(text: str) -> bytes:
        assert old in text
        return text.replace(old, new, 1).encode()

    return change


AGAIN = "cannot be judged again: "
ALTERED = "it was damaged or altered"

FORGERIES: Sequence[Forgery] = (
    Forgery(name="seven bare rows of 2001", change=bare, told=f"{AGAIN}it is of 2001-01-01"),
    Forgery(
        name="no arms", change=of_row("arms", {}), told=f"{AGAIN}it says PASS, and its arms show UNRESOLVED"
    ),
    Forgery(name="too old", change=setting("at", to=days_ago(31)), told="more than 30 days ago"),
    Forgery(name="still to come", change=setting("at", to=days_ago(-2)), told="which is still to come"),
    Forgery(name="other Refault", change=setting("refault", to="0.0.1"), told="made with Refault 0.0.1"),
    Forgery(name="no fixed arm", change=without("fixed"), told=f"{AGAIN}it says PASS"),
    Forgery(name="no reverted arm", change=without("reverted"), told=f"{AGAIN}it says PASS"),
    Forgery(name="swapped arms", change=swapped, told=f"{AGAIN}fixed arm: it attests the tree"),
    Forgery(name="fixed arm twice", change=doubled_arm("fixed"), told=f"{AGAIN}reverted arm: it attests"),
    Forgery(name="reverted arm twice", change=doubled_arm("reverted"), told=f"{AGAIN}fixed arm: it attests"),
    Forgery(name="other tree attested", change=moved, told="it attests the tree ffffffffffff"),
    Forgery(name="no attestation", change=of_arm("fixed", "attestation", None), told="no attestation"),
    Forgery(name="no module attested", change=attesting("fixed", "modules", []), told="was never loaded"),
    Forgery(name="other module attested", change=other_module, told="sglang.pages was never loaded"),
    Forgery(name="nothing entered", change=attesting("reverted", "entered", []), told="was entered"),
    Forgery(
        name="other function entered", change=attesting("fixed", "entered", ["pick"]), told="was entered"
    ),
    Forgery(
        name="fault put aside", change=put_aside, told="is put aside as a finding, and the case watches it"
    ),
    Forgery(name="fixed arm faults", change=faulty, told="its arms show REGRESSED"),
    Forgery(name="reverted arm clean", change=cleaned, told="its arms show TOOTHLESS"),
    Forgery(name="fault of another kind", change=of_another_kind, told="its arms show CHANGED"),
    Forgery(name="fault of another extent", change=of_another_extent, told="its arms show CHANGED"),
    Forgery(name="fewer points", change=fewer_points, told="page_size=1 was not observed"),
    Forgery(name="one easy point", change=easy_point, told="is a point given by hand"),
    Forgery(name="a point more", change=more_points, told="the case has no point tokens=12, page_size=2"),
    Forgery(name="a point twice", change=twice_a_point, told="page_size=1 is there twice"),
    Forgery(name="a point without parameters", change=nameless_points, told="the case has no point"),
    Forgery(name="other parameters", change=of_row("params", {"tokens": 1}), told="is a point given by hand"),
    Forgery(
        name="fixed arm crashed", change=crashed, told="it ended by crash, and no fault accounts for that"
    ),
    Forgery(
        name="unresolved", change=of_arm("reverted", "unresolved", "lost"), told="its arms show UNRESOLVED"
    ),
    Forgery(name="other outputs", change=other_outputs, told="its arms show REGRESSED"),
    Forgery(name="no outputs", change=of_arm("fixed", "results", {}), told="its arms show REGRESSED"),
    Forgery(name="no trace", change=of_arm("fixed", "trace", []), told="its arms show REGRESSED"),
    Forgery(
        name="signature for fault", change=of_row("evidence", "signature"), told="it says evidence signature"
    ),
    Forgery(name="configuration", change=of_row("configuration", True), told="it says configuration True"),
    Forgery(name="other bug", change=of_row("pr", 1), told="it says pr 1, and is 101"),
    Forgery(
        name="failing is called unsupported",
        change=unsupported,
        told=f"{AGAIN}it says UNSUPPORTED",
        policy="lenient",
    ),
    Forgery(
        name="other machine's platform",
        change=elsewhere,
        told="makes no kernel result for rocm-gfx942",
        policy="rocm",
    ),
    Forgery(
        name="no such reproducer",
        change=of_row("reproducer", "pr999_x"),
        told="pr999_x is none of the reproducers here",
    ),
    Forgery(
        name="no such tier", change=of_row("tier", "server"), told="pr101 has no case in the server tier"
    ),
    Forgery(
        name="one arm alone", change=of_row("verdict", None), told="it was not run, or with one arm only"
    ),
    Forgery(name="a run counted twice", change=twice, told="one run counts once", policy="twice"),
    Forgery(name="nothing", change=setting("results", to=[]), told="it was not run"),
    Forgery(name="claims to be old", change=old_version, told="it was not run", policy="since"),
    Forgery(
        name="other build",
        change=setting("sglang", "tree", to=OTHER),
        told="neither installed here nor",
        code=2,
    ),
    Forgery(
        name="old format",
        change=old_format,
        told="has format 1, but this version reads 2: make it anew",
        left=True,
        code=2,
    ),
    Forgery(name="altered", change=of_row("seconds", 0.5), told=ALTERED, left=True, code=2),
    Forgery(
        name="not a number",
        raw=replacing('"seconds": ', '"seconds": NaN, "x": '),
        told="is no JSON (NaN",
        code=2,
    ),
    Forgery(
        name="beyond floats",
        raw=replacing('"seconds": ', '"seconds": 1e999, "x": '),
        told="beyond what a float holds",
        code=2,
    ),
    Forgery(
        name="huge duration", change=of_row("seconds", 1e300), told="seconds is 1e+300, more than", code=2
    ),
    Forgery(
        name="huge number",
        change=setting("results", 0, "arms", "reverted", "faults", 0, "first", to=10**400),
        told="first is 1000",
        code=2,
    ),
    Forgery(
        name="name given twice",
        raw=replacing('"verdict"', '"verdict": "PASS",\n"verdict"'),
        told="is given twice",
        code=2,
    ),
    Forgery(
        name="arm of no name",
        change=setting("results", 0, "arms", "third", to={}),
        told="arms.third is not known",
        code=2,
    ),
    Forgery(
        name="word for a number",
        change=of_arm("fixed", "seconds", "1"),
        told="arms.fixed.seconds is '1', not number",
        code=2,
    ),
    Forgery(
        name="contradiction",
        change=of_arm("reverted", "outcome", "clean"),
        told="contradicts itself",
        code=2,
    ),
    Forgery(name="made-up verdict", change=of_row("verdict", "GREEN"), told="verdict is 'GREEN'", code=2),
    Forgery(name="cut off", raw=cut, told="is no JSON", code=2),
    Forgery(name="empty", raw=lambda text: b"", told="is no JSON", code=2),
    Forgery(name="no text", raw=lambda text: b"\xff\xfe\x00", told="is no JSON", code=2),
    Forgery(name="deep", raw=lambda text: b"[" * 100_000, told="is no JSON (nested deeper", code=2),
)
