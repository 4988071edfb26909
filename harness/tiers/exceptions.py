"""Tells an exception of the code under test from a failure of the machinery around it."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from triton.runtime.errors import InterpreterError

from harness.errors import BadInput, Runaway, Unresolved, Unsupported
from harness.facts import Raised
from harness.memory.device import gone
from harness.observation import Fault
from harness.observation.normalise import message
from harness.process.arm import is_about_memory
from harness.tiers.undone import Undone


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, innermost last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _unwrapped(error: BaseException) -> BaseException:
    """What a kernel raised, without the wrapping that each call level of the interpreter adds."""
    while isinstance(error, InterpreterError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _through(chain: Iterable[BaseException], roots: Sequence[Path]) -> tuple[str, ...]:
    """Qualified names of the functions of the tree in these tracebacks, the deepest last."""
    codes = (frame.f_code for error in chain for frame, _ in traceback.walk_tb(error.__traceback__))
    return tuple(code.co_qualname for code in codes if any(map(Path(code.co_filename).is_relative_to, roots)))


def as_fault(error: Exception, root: Path, undone: Undone | None = None, origin: Path | None = None) -> Fault:
    """The fault an exception amounts to; raises Unresolved if no code under test was running.

    That is below `root`, and below `origin` where unaltered modules came from there.

    A failure of the machinery stays one, however often the code under test has wrapped it; refused
    parameters and exhausted memory pass through as they are. A kernel that had to be stopped hangs. What a
    device refuses is its fault, whoever was told of it: the driver tells whoever asks next.
    In a reverted arm, `undone` says what was; what only a broken revert raises is Unresolved.
    """
    for cause in _chain(error):
        if isinstance(cause, Unresolved):
            kind = Unsupported if isinstance(cause, Unsupported) else Unresolved
            raise kind(str(cause)) from error
    # Memory is what the arm was given, not what the code did wrong: the process names that ending.
    if isinstance(error, BadInput) or is_about_memory(error):
        raise error
    if (what := gone.what(error)) is not None:
        return Fault(kind="device-fault", kernel=gone.guilty(error), message=what)
    raised = _unwrapped(error)
    if isinstance(raised, Runaway):
        return Fault(kind="hang", message=message(str(raised)))
    wrappings = [cause for cause in _chain(error) if isinstance(cause, InterpreterError)]
    through = _through([error, *wrappings, raised], (root, origin or root))
    if not through:
        raise Unresolved(f"the case itself failed: {type(error).__name__}: {message(str(error))}") from error
    if undone is not None:
        _refuse_broken(error, through, undone, root)
    told = Raised(type=type(raised).__name__, message=message(str(raised)), through=through)
    return Fault(kind="exception", message=told.text)


def _refuse_broken(error: BaseException, through: tuple[str, ...], undone: Undone, root: Path) -> None:
    """Unresolved if the error, or one that it was raised for, is the revert's own fault."""
    for cause in _chain(error):
        told = Raised(type=type(cause).__name__, message=message(str(cause)), through=through)
        if why := undone.broken(told, root):
            raise Unresolved(why) from error
