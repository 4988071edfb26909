"""Drives a reader of foreign bytes with invented and with spoiled real inputs, and counts what comes of it.

A reader may give a value, or refuse with a RefaultError in one line that can be printed. Whatever else it
does is a failure, and the input that showed it is kept.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from harness.errors import RefaultError

SECONDS = 3.0
"""An input of some kilobytes that takes longer than this has hung its reader."""
MEMORY = 512 << 20
"""Bytes by which a reader may make this process larger."""
LONGEST = 4000
"""Characters of a refusal."""
Read = Callable[[Path], object]


@dataclass(frozen=True)
class Reader:
    """A reader, real inputs of it, and whether they are one JSON document, whose parts may be exchanged."""

    name: str
    read: Read
    seeds: tuple[bytes, ...]
    is_json: bool = False


@dataclass
class Tally:
    """How often a reader gave a value and how often it refused; `failures` say what else, with the input."""

    reader: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[str, bytes] = field(default_factory=dict)
    slowest: float = 0.0

    def told(self) -> str:
        counts = f"{self.outcomes['value']} values, {self.outcomes['refused']} refused"
        ends = f"{len(self.failures)} kinds of failure; slowest {self.slowest:.2f} s"
        return f"{self.reader:<10} {sum(self.outcomes.values()):>6} inputs: {counts}, {ends}"


class _Hung(BaseException):
    """No Exception: no reader may take it for its own."""


class _Warned(logging.Handler):
    """Readers of what is incidental warn where others refuse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


# --- inputs -------------------------------------------------------------------------------------------------

_ODD = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b]0;x\x07", b"\n", b"\r", b"\\ud800", b"\\u202e",
    b"\xe2\x80\xae", b"NaN", b"Infinity", b"-1", b"0", b"1e999", b"9" * 400, b"null", b"true", b"[]", b"{}",
    b"[" * 300, b"{\"a\":" * 150, b"\"", b"'", b"../", b"%s", b"=", b",", b"|", b"@@ -1,1 +1,1 @@\n",
    b"--- a\n+++ b\n", b"PK\x03\x04", b"Traceback",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1.5, -1e308, "", "\x1b[31m", "\u202e", "\ud800", "a\nb", "x" * 5000,
    [], {}, [[[]]], {"a": {}}, ["x"], {"": None}, "NaN", "2026-13-45", "0.5.x", [1, "2", None],
)  # fmt: skip


def inputs(reader: Reader) -> st.SearchStrategy[bytes]:
    """Real inputs that were spoiled, and some that were never real."""
    spoiled = _spoiled(reader.seeds)
    invented = st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="replace"))
    return st.one_of(spoiled, spoiled, _exchanged(reader.seeds), invented) if reader.is_json else st.one_of(
        spoiled, spoiled, invented
    )  # fmt: skip


@st.composite
def _spoiled(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 5))):
        at, to = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        to = min(to, at + draw(st.sampled_from((0, 1, 2, 16, 256, 1 << 20))))
        data[at:to] = draw(st.sampled_from(_ODD) | st.binary(max_size=4) | st.just(bytes(data[at:to]) * 2))
    return bytes(data)


@st.composite
def _exchanged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A document in which some part is another value, is missing, or stands twice."""
    whole = json.loads(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(whole))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 4)) == 0:
            del holder[key]
        else:
            holder[key] = deepcopy(draw(st.sampled_from(_VALUES)))  # the next turn may change it
    return json.dumps(whole).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    own = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(own):
        yield value, key
        yield from _places(value[key])


# --- one reader ---------------------------------------------------------------------------------------------


def drive(reader: Reader, folder: Path, tally: Tally, *, examples: int, number: int, until: float) -> None:
    """Try so many inputs, or as many as there is time for. `number` chooses which."""
    place = folder / "input"

    @seed(number)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(inputs(reader))
    def once(data: bytes) -> None:
        if time.monotonic() < until:
            _put(place, data)
            _try(reader, place, data, tally)

    once()


def whole(reader: Reader, folder: Path, tally: Tally) -> None:
    """Try the real inputs as they are: one that is refused is a failure of this test's own."""
    for data in reader.seeds:
        _put(folder / "input", data)
        before = tally.outcomes["value"]
        _try(reader, folder / "input", data, tally)
        if tally.outcomes["value"] == before:
            tally.failures.setdefault("refuses a real input", data)


def kinds(reader: Reader, folder: Path, tally: Tally) -> None:
    """Try what is no file, or none of a size that can be read."""
    for name, make in _KINDS.items():
        place = folder / name
        make(place)
        _try(reader, place, name.encode(), tally)
        if not place.is_dir() or place.is_symlink():
            place.unlink(missing_ok=True)


def _sparse(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(1 << 42)


_KINDS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "folder": lambda place: place.mkdir(exist_ok=True),
    "device": lambda place: place.symlink_to("/dev/zero"),
    "loop": lambda place: place.symlink_to(place.name),
    "dangling": lambda place: place.symlink_to("nowhere"),
    "sparse": _sparse,
    "empty": lambda place: place.write_bytes(b""),
}  # fmt: skip


def _put(place: Path, data: bytes) -> None:
    for beside in place.parent.glob(f"{place.name}*"):
        shutil.rmtree(beside) if beside.is_dir() and not beside.is_symlink() else beside.unlink()
    place.write_bytes(data)


def _try(reader: Reader, place: Path, data: bytes, tally: Tally) -> None:
    since, before = time.monotonic(), _size()
    try:
        with _bounded(), _warnings() as warned:
            reader.read(place)
        outcome, said = ("refused", warned.told[0]) if warned.told else ("value", "")
    except RefaultError as error:
        outcome, said = "refused", str(error)
    except (Exception, _Hung) as error:  # noqa: BLE001 - to find these is what this is for
        outcome, said = "failed", ""
        tally.failures.setdefault(f"{type(error).__name__}{_where(error)}: {str(error)[:200]!r}", data)
    if said and (not said.isprintable() or len(said) > LONGEST):
        tally.failures.setdefault(f"a refusal that cannot be shown: {said[:200]!r}", data)
    if (grown := _size() - before) > MEMORY:
        tally.failures.setdefault(f"took {grown >> 20} MiB", data)
    tally.outcomes[outcome] += 1
    tally.slowest = max(tally.slowest, time.monotonic() - since)


def _where(error: BaseException) -> str:
    """The line of Refault's at which it was raised, so that one failure is told once."""
    found, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/harness/" in file and "/tests/" not in file:
            found = f" at {file.rpartition('/harness/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


@contextmanager
def _bounded() -> Iterator[None]:
    def hung(number: int, frame: object) -> None:
        raise _Hung(f"not done within {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _warnings() -> Iterator[_Warned]:
    handler, log = _Warned(), logging.getLogger("harness")
    log.addHandler(handler)
    log.propagate = False
    try:
        yield handler
    finally:
        log.removeHandler(handler)
        log.propagate = True


def _size() -> int:
    """The most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def keep(tally: Tally, folder: Path) -> Iterator[str]:
    """Write each input that failed into a file of its own, and say what it did."""
    for what, data in tally.failures.items():
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{tally.reader}-{sha256(what.encode()).hexdigest()[:8]}"
        path.write_bytes(data)
        yield f"{tally.reader}: {what} (input: {path})"
