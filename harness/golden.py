"""Goldens: the recorded observation of both arms, as text whose differences can be read."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from harness.compare import one_line, plain, same_params, trace_digest
from harness.errors import BadInput, FactsError, GoldenError
from harness.facts import Params, Tolerance
from harness.observation import Observation, Point

FORMAT = 1
ARMS = ("fixed", "reverted")
_PART = re.compile(r"\w[\w.+-]*")
_LINE_WIDTH = 110
# One event or fault a line, however long, so that a diff points at the event.
_LINES = frozenset({"trace", "faults", "findings"})


@dataclass(frozen=True, kw_only=True)
class GoldenPoint:
    """One recorded point. Only the default point keeps its trace; `trace_digest` stands for the others'."""

    point: Point
    digest: str
    trace_digest: str

    @classmethod
    def of(cls, point: Point, *, keep_trace: bool) -> GoldenPoint:
        kept = replace(point, compared={}, notes=(), trace=point.trace if keep_trace else ())
        kept = Point.from_json(plain(kept.to_json()))
        return cls(point=kept, digest=point.digest, trace_digest=trace_digest(point.trace))

    def to_json(self) -> dict[str, Any]:
        data = self.point.to_json()
        kept = {name: data[name] for name in ("params", "outcome", "faults", "findings", "results")}
        trace = {"trace": data["trace"]} if self.point.trace else {"trace_sha256": self.trace_digest}
        return {**kept, **trace, "digest": self.digest}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GoldenPoint:
        """Read a point back. Raises ValueError where its parts contradict each other."""
        point = Point.from_json(data)
        told = [fault["signature"] for fault in (*data["faults"], *data["findings"])]
        meant = [fault.signature for fault in (*point.faults, *point.findings)]
        if data["outcome"] != point.outcome or told != meant:
            raise ValueError(f"the point {one_line(point.params)} contradicts itself")
        digest = trace_digest(point.trace) if "trace" in data else data["trace_sha256"]
        return cls(point=point, digest=data["digest"], trace_digest=digest)


@dataclass(frozen=True, kw_only=True)
class Golden:
    """What both arms of one (reproducer, tier, platform) showed when they were recorded.

    `provenance["tree"]` is the content hash of the fixed tree: only there does the trace bind.
    """

    reproducer: str
    tier: str
    platform: str
    provenance: Mapping[str, str]
    tolerance: Tolerance
    arms: Mapping[str, tuple[GoldenPoint, ...]]

    def find(self, arm: str, params: Params) -> GoldenPoint | None:
        """The recorded point with these parameters, if there is one."""
        points = self.arms.get(arm, ())
        return next((golden for golden in points if same_params(golden.point.params, params)), None)

    def to_json(self) -> dict[str, Any]:
        arms = {name: {"points": [point.to_json() for point in points]} for name, points in self.arms.items()}
        identity = {"reproducer": self.reproducer, "tier": self.tier, "platform": self.platform}
        facts = {"provenance": dict(self.provenance), "tolerance": asdict(self.tolerance)}
        return {"golden": FORMAT, **identity, **facts, "arms": arms}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Golden:
        kept = ARMS if "reverted" in data["arms"] else ARMS[:1]  # a configuration has the fixed arm alone
        arms = {name: tuple(map(GoldenPoint.from_json, data["arms"][name]["points"])) for name in kept}
        identity = {name: str(data[name]) for name in ("reproducer", "tier", "platform")}
        provenance = {str(name): str(value) for name, value in data["provenance"].items()}
        return cls(**identity, provenance=provenance, tolerance=Tolerance(**data["tolerance"]), arms=arms)

    @property
    def text(self) -> str:
        """The golden as its file has it: sorted keys, one event or fault a line, a final newline."""
        return _formatted(plain(self.to_json())) + "\n"


def points_of(observation: Observation) -> tuple[GoldenPoint, ...]:
    """An arm's points as a golden keeps them: the first with its trace."""
    points = enumerate(observation.points)
    return tuple(GoldenPoint.of(point, keep_trace=index == 0) for index, point in points)


@dataclass(frozen=True)
class Recorded:
    """What recording did or would do: `differs` means that the file was left as it is."""

    path: Path
    status: Literal["new", "same", "updated", "differs"]
    diff: str = ""


@dataclass(frozen=True)
class GoldenStore:
    """The goldens below one folder: `<reproducer>/<tier>.<platform>.json`."""

    folder: Path

    def path(self, reproducer: str, tier: str, platform: str) -> Path:
        """Where the golden of this identity lives. Raises GoldenError for a part that is no plain name."""
        for part in (reproducer, tier, platform):
            if not _PART.fullmatch(part):
                raise GoldenError(f"{part!r} cannot be part of a golden's path: use letters, digits, . + - _")
        return self.folder / reproducer / f"{tier}.{platform}.json"

    def load(self, reproducer: str, tier: str, platform: str) -> Golden | None:
        """The golden of this identity, or None. Raises GoldenError for an unreadable or a foreign one."""
        path = self.path(reproducer, tier, platform)
        try:
            golden = _parsed(path.read_text(encoding="utf-8"), path)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise GoldenError(f"{path}: unreadable ({_cause(error)}): {_REMEDY}") from error
        if (golden.reproducer, golden.tier, golden.platform) != (reproducer, tier, platform):
            owner = f"{golden.reproducer} {golden.tier} {golden.platform}"
            raise GoldenError(f"{path}: is the golden of {owner}: move it there, or delete it")
        return golden

    def save(self, golden: Golden) -> Path:
        """Write a golden, whole or not at all. Raises BadInput where the place cannot be written."""
        path = self.path(golden.reproducer, golden.tier, golden.platform)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, golden.text)
        except OSError as error:
            raise BadInput(f"{path}: cannot be written ({_cause(error)}): make the place writable") from error
        return path

    def propose(self, golden: Golden) -> Recorded:
        """What recording would change; writes nothing."""
        path = self.path(golden.reproducer, golden.tier, golden.platform)
        old = self.load(golden.reproducer, golden.tier, golden.platform)
        if old is None:
            return Recorded(path, "new", _diff(path, "", golden.text))
        if _lasting(old.to_json()) == _lasting(golden.to_json()):
            return Recorded(path, "same")
        return Recorded(path, "differs", _diff(path, old.text, golden.text))

    def record(
        self, golden: Golden, *, update: bool = False, show: Callable[[str], object] | None = None
    ) -> Recorded:
        """Write a missing golden, or, with `update`, one that differs, after handing its diff to `show`.

        Take `golden` from `harness.verdict.golden_of`, which refuses arms that did not behave.
        """
        proposed = self.propose(golden)
        if proposed.status == "same" or (proposed.status == "differs" and not update):
            return proposed
        if proposed.status == "differs" and show:
            show(proposed.diff)
        self.save(golden)
        return proposed if proposed.status == "new" else replace(proposed, status="updated")

    def orphans(self, owned: Collection[tuple[str, str]]) -> list[Path]:
        """Files that none of the `owned` (reproducer, tier) pairs accounts for, hidden ones apart."""
        files = (path for path in self.folder.rglob("*") if path.is_file() or path.is_symlink())
        return sorted(path for path in files if not self._is_owned(path.relative_to(self.folder), owned))

    def _is_owned(self, path: Path, owned: Collection[tuple[str, str]]) -> bool:
        if path.name.startswith("."):
            return True
        tier, _, platform = path.name.removesuffix(".json").partition(".")
        whole = len(path.parts) == 2 and path.suffix == ".json" and bool(_PART.fullmatch(platform))
        return whole and (path.parts[0], tier) in owned


_REMEDY = "restore it, or delete it and run `refault record`"


def _parsed(text: str, path: Path) -> Golden:
    try:
        data = json.loads(text)
        version = data["golden"]
        if version == FORMAT:
            return Golden.from_json(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, FactsError) as error:
        raise GoldenError(f"{path}: unreadable ({_cause(error)}): {_REMEDY}") from error
    raise GoldenError(f"{path}: has format {version!r}, but this version reads {FORMAT}: record it anew")


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _cause(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split())


def _lasting(data: dict[str, Any]) -> dict[str, Any]:
    """A golden's JSON without what changes from one recording of the same behaviour to the next."""
    data = plain(data)
    for name in ("recorded", "command"):
        data["provenance"].pop(name, None)
    for arm in data["arms"].values():
        for point in arm["points"]:
            del point["digest"]
    return dict(data)


def _diff(path: Path, old: str, new: str) -> str:
    before, after = f"{path.name} (stored)", f"{path.name} (seen)"
    return "".join(difflib.unified_diff(old.splitlines(True), new.splitlines(True), before, after))


def _formatted(value: Any, indent: str = "", name: str = "") -> str:
    if not isinstance(value, dict | list) or not value or _fits(value, indent, name):
        return one_line(value)
    deeper = indent + "  "
    if isinstance(value, dict):
        pairs = sorted(value.items())
        items = [f"{deeper}{json.dumps(key)}: {_formatted(item, deeper, key)}" for key, item in pairs]
    elif name in _LINES:
        items = [deeper + one_line(item) for item in value]
    else:
        items = [deeper + _formatted(item, deeper) for item in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join((opening, ",\n".join(items), indent + closing))


def _fits(value: Any, indent: str, name: str) -> bool:
    """Whether a container of scalars goes on one line."""
    items = value.values() if isinstance(value, dict) else value
    if name in _LINES or any(isinstance(item, dict | list) for item in items):
        return False
    return len(indent) + len(name) + len(one_line(value)) <= _LINE_WIDTH
