"""What one arm produced, in a form that two runs agree on: no addresses, times or machine names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum, auto
from typing import Any

from harness.facts import EXTENT, DeclaredKind, ExpectedFault, FaultKind, Raised, Watch
from harness.facts.kinds import kind_of

EMULATED = "emulated: "
"""How an attested patch begins that stands for a part of a device; what follows says which part."""
MACHINE_CODE = "machine code of "
"""What an arm attests to have emulated that executed an AMD GPU's code; the chip follows."""
Either = Mapping[str, Sequence[Any]]
"""By the path of a value in the results, what it is in each order of the stores that race for it."""
Event = Mapping[str, Any]
"""One trace event: a JSON object whose `event` names its type."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """Where a fault was first seen, and how far it went there: for people, and for no comparison.

    `place` is the line of the kernel or of the code that strayed. The numbers are those of `Fault`, of the
    one batch in which a server strayed, with its `requests` (the client's ids) and its `mode`.
    """

    place: str | None = None
    numel: int | None = None
    first: int | None = None
    last: int | None = None
    count: int | None = None
    needed: int | None = None
    requests: tuple[str, ...] = ()
    mode: str | None = None

    def to_json(self) -> dict[str, Any]:
        told = {**asdict(self), "requests": list(self.requests) or None}
        return {name: value for name, value in told.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sighting:
        return cls(**{**data, "requests": tuple(data.get("requests", ()))})


class Naming(Enum):
    """How much of a fault's names counts where two are compared.

    `TYPES` leaves out what a refactoring of the code under test renames or rewords: the kernel, and of an
    exception all but its type (the function that raised it, and the words of whatever checked the same buffer
    first). `NONE` leaves out the kernel and every message. Kind, buffer, process and numbers always count.
    """

    ALL = auto()
    TYPES = auto()
    NONE = auto()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that went wrong in memory, value or control.

    `first`, `last` and `count` are in elements, relative to the buffer or row; they may lie
    outside it. `needed` is how many elements a short buffer should have had. `seen` is where it was first
    seen, which identifies nothing: two faults that differ in it alone are equal.
    """

    kind: str
    buffer: str | None = None
    kernel: str | None = None
    process: str | None = None
    numel: int | None = None
    first: int | None = None
    last: int | None = None
    count: int | None = None
    needed: int | None = None
    message: str | None = None
    seen: Sighting | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        kind_of(self.kind)

    @property
    def sort(self) -> FaultKind | DeclaredKind:
        """Its kind, with what that carries."""
        return kind_of(self.kind)

    @property
    def extent(self) -> dict[str, int | None]:
        return {name: getattr(self, name) for name in EXTENT}

    @property
    def signature(self) -> str:
        """The fault in one line, from what identifies it; this is what goldens compare."""
        words = [
            self.kind,
            f"{self.sort.preposition}{self.buffer}" if self.buffer else "",
            f"by {self.kernel}" if self.kernel else "",
        ]
        words += [f"{name}={value}" for name, value in self.extent.items() if value is not None]
        words += [f"in {self.process}" if self.process else "", f"({self.message})" if self.message else ""]
        return " ".join(word for word in words if word)

    def to_json(self) -> dict[str, Any]:
        present = {name: value for name, value in asdict(self).items() if value is not None}
        if self.seen is not None:
            present["seen"] = self.seen.to_json()
        return {**present, "signature": self.signature}

    def unseen(self) -> Fault:
        """The fault without where it was seen."""
        return replace(self, seen=None)

    def unmeasured(self) -> Fault:
        """What it is, without its extent."""
        return replace(self, numel=None, first=None, last=None, count=None, needed=None)

    def told(self, naming: Naming) -> str:
        """Its signature, with as much of its names as is to count: what two faults are compared by."""
        if naming is Naming.ALL:
            return self.signature
        is_exception = naming is Naming.TYPES and self.kind == FaultKind.EXCEPTION
        raised = Raised.told(self.message or "").type if is_exception else ""
        message = None if naming is Naming.NONE else raised or self.message
        return replace(self, kernel=None, message=message).signature

    def shows(self, expected: ExpectedFault, *, kernels: bool = True) -> bool:
        """Whether it is the declared bug. Not by kernels, where releases may call them otherwise."""
        named = [(expected.kind, self.kind), (expected.buffer, self.buffer)]
        named += [(expected.kernel, self.kernel)] if kernels else []
        is_it = expected.of is None or Raised.told(self.message or "").is_declared(expected)
        return is_it and all(word is None or word == own for word, own in named)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        own = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        return cls(**{**own, "seen": Sighting.from_json(data["seen"]) if data.get("seen") else None})


def parted(seen: Iterable[Fault], watch: Watch) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """What is judged, and the findings beside it."""
    faults, findings = list[Fault](), list[Fault]()
    for fault in seen:
        (faults if watch.judges(fault.kind, fault.buffer) else findings).append(fault)
    return tuple(faults), tuple(findings)


@dataclass(frozen=True, kw_only=True)
class Module:
    """An edited upstream module as one process loaded it."""

    name: str
    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """Proof that an arm ran the code it claims.

    `modules` are the edited modules as loaded (`path` relative to the tree's root), `entered`
    the edited functions that ran, `patches` everything `host` and `memory` changed in the
    process. `tree` is the content hash of the tree the arm was given. An arm of several processes
    has the sum of what they attest here, and in `processes` each one's own, by its role.
    """

    tree: str
    root: str
    modules: tuple[Module, ...] = ()
    entered: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    processes: Mapping[str, Attestation] = field(default_factory=dict)

    @classmethod
    def of_processes(cls, processes: Mapping[str, Attestation]) -> Attestation:
        """What the processes of one arm attest together; each must have been given the same tree.

        Raises ValueError without any process, or where they were given different trees.
        """
        trees = {(one.tree, one.root) for one in processes.values()}
        if len(trees) != 1:
            raise ValueError(f"{len(processes)} processes attest {len(trees)} trees")
        (tree, root), every = trees.pop(), processes.values()
        return cls(
            tree=tree,
            root=root,
            modules=tuple(sorted({module for one in every for module in one.modules}, key=str)),
            entered=tuple(sorted({name for one in every for name in one.entered})),
            patches=tuple(dict.fromkeys(patch for one in every for patch in one.patches)),
            processes=dict(processes),
        )

    @property
    def emulated(self) -> tuple[str, ...]:
        """The parts of a device that were emulated in some process of the arm."""
        return tuple(patch.removeprefix(EMULATED) for patch in self.patches if patch.startswith(EMULATED))

    def problem(self, wanted: Mapping[str, str], functions: Sequence[str]) -> str | None:
        """Why this does not prove that `wanted` (module name to sha256) ran; None if it does."""
        for name, sha256 in wanted.items():
            loaded = {module.sha256 for module in self.modules if module.name == name}
            if not loaded:
                return f"{name} was never loaded"
            if strange := sorted(loaded - {sha256}):
                return f"{name} was loaded as {strange[0][:12]}, not {sha256[:12]}"
        if functions and not set(functions) & set(self.entered):
            return f"none of {', '.join(functions)} was entered"
        return None

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["processes"] = {role: one.to_json() for role, one in self.processes.items()}
        return data if self.processes else {k: v for k, v in data.items() if k != "processes"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Attestation:
        modules = tuple(Module(**module) for module in data["modules"])
        rest = {"entered": tuple(data["entered"]), "patches": tuple(data["patches"])}
        processes = {role: cls.from_json(one) for role, one in data.get("processes", {}).items()}
        return cls(tree=data["tree"], root=data["root"], modules=modules, processes=processes, **rest)


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one point of the parameter space produced in one arm.

    `results` are the declared outputs: integers and booleans exactly, floats as summaries.
    `compared` says what was held against a reference, and how far it was from it. `either` are values of the
    results that depend on the order of racing stores: a device gives any one of them.
    """

    params: Mapping[str, Any]
    faults: tuple[Fault, ...] = ()
    findings: tuple[Fault, ...] = ()
    results: Mapping[str, Any] = field(default_factory=dict)
    compared: Mapping[str, Any] = field(default_factory=dict)
    either: Either = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    trace: tuple[Event, ...] = ()

    @property
    def ends_the_device(self) -> bool:
        """Whether nothing can be run behind it: its device's context is gone."""
        return any(fault.kind == FaultKind.DEVICE_FAULT for fault in self.faults)

    @property
    def only_signatures(self) -> bool:
        """Whether nothing went wrong but what its compiled form shows, which is never called a fault."""
        return all(fault.kind == FaultKind.SIGNATURE for fault in self.faults)

    @property
    def outcome(self) -> str:
        return "fault" if self.faults else "clean"

    @property
    def digest(self) -> str:
        """sha256 over everything above but notes and sightings: equal digests, equal behaviour."""
        told = self.unseen().to_json()
        data = {name: value for name, value in told.items() if name not in ("notes", "digest")}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    def unseen(self) -> Point:
        """The point without where its faults were seen."""
        faults, findings = (tuple(one.unseen() for one in each) for each in (self.faults, self.findings))
        return replace(self, faults=faults, findings=findings)

    @property
    def signatures(self) -> tuple[str, ...]:
        return tuple(sorted(fault.signature for fault in self.faults))

    def to_json(self) -> dict[str, Any]:
        return {
            "params": dict(self.params),
            "outcome": self.outcome,
            "faults": [fault.to_json() for fault in self.faults],
            "findings": [fault.to_json() for fault in self.findings],
            "results": dict(self.results),
            "compared": dict(self.compared),
            **(
                {"either": {name: list(values) for name, values in self.either.items()}}
                if self.either
                else {}
            ),
            "notes": list(self.notes),
            "trace": [dict(event) for event in self.trace],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Point:
        return cls(
            params=data["params"],
            faults=tuple(map(Fault.from_json, data["faults"])),
            findings=tuple(map(Fault.from_json, data["findings"])),
            results=data["results"],
            compared=data.get("compared", {}),
            either=data.get("either", {}),
            notes=tuple(data.get("notes", ())),
            trace=tuple(data.get("trace", ())),
        )

    @classmethod
    def from_file(cls, data: Mapping[str, Any]) -> Point:
        """A point that was kept. ValueError where its outcome or a signature is not that of its faults."""
        point = cls.from_json(data)
        told = [fault["signature"] for fault in (*data["faults"], *data["findings"])]
        meant = [fault.signature for fault in (*point.faults, *point.findings)]
        if data["outcome"] != point.outcome or told != meant:
            raise ValueError(f"the point {json.dumps(data['params'], sort_keys=True)} contradicts itself")
        return point


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How an arm's process ended: `how` is clean, exception, crash, time-out, out-of-memory or lost."""

    how: str
    code: int | None = None
    signal: str | None = None
    message: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Everything one arm produced: its default (or only) point first, then the rest of its grid.

    `unresolved` says why nothing can be concluded from this arm, where that is so, and `unsupported` what its
    emulator does not implement, where it is that.
    """

    arm: str
    exit: Exit
    points: tuple[Point, ...] = ()
    attestation: Attestation | None = None
    unresolved: str | None = None
    unsupported: str | None = None
    seconds: float = 0.0
    log: str | None = None

    @property
    def main(self) -> Point:
        return self.points[0] if self.points else Point(params={})

    def to_json(self) -> dict[str, Any]:
        """The arm as `--json` writes it: the main point's fields, then `points` for the others."""
        main = self.main
        return {
            **{name: value for name, value in main.to_json().items() if name != "params"},
            "digest": main.digest,
            "exit": self.exit.to_json(),
            "attestation": self.attestation.to_json() if self.attestation else None,
            "unresolved": self.unresolved,
            **({"unsupported": self.unsupported} if self.unsupported else {}),
            "seconds": round(self.seconds, 3),
            "log": self.log,
            "points": [{**point.to_json(), "digest": point.digest} for point in self.points[1:]],
        }

    @classmethod
    def from_json(cls, arm: str, data: Mapping[str, Any], params: Mapping[str, Any]) -> Observation:
        """What `to_json` wrote for an arm whose default point has `params`.

        ValueError where a point contradicts itself.
        """
        main = Point.from_file({**data, "params": dict(params)})
        # The JSON has the default point's fields even where no point was reached.
        seen = (main,) if main.faults or main.results or main.trace or not data["unresolved"] else ()
        attested = data["attestation"]
        return cls(
            arm=arm, exit=Exit(**data["exit"]), points=(*seen, *map(Point.from_file, data["points"])),
            attestation=Attestation.from_json(attested) if attested else None,
            unresolved=data["unresolved"], unsupported=data.get("unsupported"),
            seconds=float(data["seconds"]), log=data["log"],
        )  # fmt: skip
