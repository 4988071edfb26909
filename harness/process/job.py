"""What an arm is asked to do, what came of it, and the files between the two."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.observation import Exit
from harness.process.confine import Protected
from harness.process.limits import Limits

OWN_FAILURE = 113
"""Exit code of an arm that failed before or after its entry ran, through no fault of the entry."""

_ENTRY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What all arms of one fork server share.

    `variables` are set before its interpreter starts (None takes one away), `preload` are modules
    that it imports. `arm_only` are top-level names that it must never even look for, because arms
    differ in them: the code under test, and whatever stands in for a module that is not there. A
    third-party module that asks for one of them while it is imported is left to the arms. Without `learns`
    nothing that arms were seen to import is imported ahead of them: an import may ask for an accelerator,
    and a forked process cannot use what its parent asked. Environments of one `base` are forks of one
    process, which has imported what they have in common and leaves alone what their own variables decide on.
    """

    variables: Mapping[str, str | None] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    arm_only: frozenset[str] = frozenset()
    learns: bool = True
    base: Environment | None = None

    @property
    def key(self) -> str:
        """Environments of one key share a fork server, whatever they preload."""
        return json.dumps([sorted(self.variables.items()), sorted(self.arm_only)])


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """What some arms do alike until their trees differ: one process does it, and each is a fork of that.

    `entry` ("module:function") is called with `payload` and a `Parting`, and calls that where the arms part.
    Jobs of one environment whose trunks have equal names share one, whatever is in the payload beside.
    """

    name: str
    entry: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One arm to run: `entry` ("module:function") is called with `payload` and `folder`.

    It returns a JSON object. With `questions`, plain values too, it is given its testimony as well, and is
    asked one at a time. What is `protected` it cannot write where the machine allows that; what it alters in
    the packages in `watched`, as in the harness, is told of it. `variables` are
    set in this arm alone, after the fork server's; it needs so many accelerators (`devices`) for itself.
    `folder` takes the files named below. Of the arms that wait those of the lowest `turn` come first, and of
    these what has the largest `effort`: what takes long is not to be the last one, alone on a machine. With a
    `trunk` it is a fork of that, and where that cannot be grown it is run by its own `entry` as any other.
    Raises BadInput for an entry or a payload that cannot be carried.
    """

    entry: str
    payload: Mapping[str, Any]
    folder: Path
    limits: Limits
    environment: Environment = field(default_factory=Environment)
    variables: Mapping[str, str] = field(default_factory=dict)
    devices: int = 0
    questions: tuple[Any, ...] | None = None
    protected: Protected = field(default_factory=Protected)
    watched: frozenset[str] = frozenset()
    turn: int = 0
    effort: float = 0.0
    trunk: Trunk | None = None

    def __post_init__(self) -> None:
        if not _ENTRY.fullmatch(self.entry):
            raise BadInput(f"{self.entry!r} is no entry of an arm: write module:function")
        try:
            json.dumps([dict(self.payload), self.questions, self.trunk and dict(self.trunk.payload)])
        except (TypeError, ValueError) as error:
            raise BadInput(f"the payload of {self.entry} is no JSON ({error}): pass plain values") from None
        object.__setattr__(self, "folder", Path(self.folder).absolute())

    @property
    def files(self) -> Files:
        return Files(self.folder)

    @property
    def shares(self) -> str | None:
        """Jobs of which this is equal are forks of one trunk; None for one without."""
        return json.dumps([self.environment.key, self.trunk.name]) if self.trunk else None

    def to_json(self) -> dict[str, Any]:
        """What the fork server's side needs to know."""
        return {
            "entry": self.entry,
            "payload": dict(self.payload),
            "is_asked": self.questions is not None,
            "folder": str(self.folder),
            "seconds": self.limits.seconds,
            "memory_mb": self.limits.memory_mb,
            "variables": dict(self.variables),
            "protected": self.protected.to_json(),
            "watched": sorted(self.watched),
        }

    def of_trunk(self) -> dict[str, Any]:
        """What its trunk needs to know; nothing of it is this job's alone."""
        assert self.trunk is not None  # asked of jobs that share one
        known = self.to_json()
        own = {"entry": self.trunk.entry, "payload": dict(self.trunk.payload)}
        return {**own, "protected": known["protected"], "watched": known["watched"]}


@dataclass(frozen=True)
class Files:
    """The files in an arm's folder: job and log, and for people alone what was heard of it."""

    folder: Path

    @property
    def job(self) -> Path:
        return self.folder / "job.json"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def result(self) -> Path:
        return self.folder / "result.json"

    @property
    def error(self) -> Path:
        return self.folder / "error.json"

    @property
    def answers(self) -> Path:
        return self.folder / "answers.jsonl"

    @property
    def told(self) -> Path:
        return self.folder / "told.json"

    def clear(self) -> None:
        """Makes the folder and takes away what an earlier arm left, so that it is never mistaken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self.job, self.log, self.result, self.error, self.answers, self.told):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an arm ended and what was heard of it.

    `result` is there where `exit.how` is clean, `error` (type, message, traceback) where an exception
    escaped. `answers` are those to the job's questions, in order, as far as it came; `told` is the last word
    under each name. Of an arm whose words are forged or broken there are none. `leftovers` names the
    processes beside the arm that had to be killed, `imported` the modules that it loaded and its fork server
    had not.
    """

    exit: Exit
    seconds: float
    log: Path
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    answers: tuple[Any, ...] = ()
    told: Mapping[str, Any] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()


def write_json(path: Path, data: object) -> None:
    """Writes a file whole or not at all."""
    write_text(path, json.dumps(data))


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    half = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.half")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def read_json(path: Path) -> Any:
    """The file's content; None if it is missing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
