"""A process that does what some arms do alike, and is forked into each of them where they part.

Both arms of a case import most of the code under test before either comes to the first module in which their
trees differ. It is the same code in the same order, and so it is run once: what an arm finds, from the
objects in memory to the stack that the import has come to, is what it would have made itself.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness.process import alterations, arm, confine, prctl
from harness.process.confine import Protected
from harness.process.job import OWN_FAILURE
from harness.process.testimony import Look, Testimony

Fork = Callable[[bool], arm.Forked]
"""Serves, and returns in each fork that is to be an arm. It is told whether folders are shut already."""


@dataclass(frozen=True)
class Own:
    """What an arm has for itself."""

    payload: Mapping[str, Any]
    folder: Path
    testimony: Testimony


class Part(Protocol):
    """Gives what an arm has for itself, from where its way parts from that of others."""

    def __call__(self) -> Own: ...

    def noticed(self) -> None:
        """Keep in mind how modules are now of which some were just imported."""


@dataclass(frozen=True)
class Alone:
    """Of an arm that has nothing in common with others: its first word is looked at, and nothing before."""

    own: Own

    def __call__(self) -> Own:
        return self.own

    def noticed(self) -> None: ...


class Parting:
    """Where arms part: the first call returns once in each of them, and later ones the same at once.

    `fork` serves, and returns in each fork that is to be an arm; `look` says what was altered, and `shut` are
    the capabilities that every arm gives up.
    """

    def __init__(self, fork: Fork, look: Look, shut: frozenset[int], arm_only: frozenset[str]) -> None:
        self._fork, self._look, self._shut = fork, look, shut
        self.trunk, self._before, self._arm_only = os.getpid(), frozenset(sys.modules), arm_only
        self._own: Own | None = None
        self.last: arm.LastWord | None = None

    def __call__(self) -> Own:
        if self._own is None:
            if os.getpid() != self.trunk:  # a fork of somebody else's making, which is nobody's arm
                os._exit(1)
            forked = self._fork(bool(self._shut))
            testimony = arm.become(forked, self._look, self._shut)
            self.last = arm.LastWord(testimony, self._before, self._arm_only)
            self._own = Own(forked.job["payload"], Path(forked.job["folder"]), testimony)
        return self._own

    def noticed(self) -> None:
        """Keep in mind how modules are now of which some were just imported."""
        self._look()


def grow(asked: Mapping[str, Any], fork: Fork, scratch: Path, arm_only: frozenset[str]) -> str:
    """Does what the arms have in common, then serves in `fork` as long as the pool is there.

    Returns only where that cannot be done, with the reason; each of its forks ends as an arm does.
    """
    prctl.name_process("refault-trunk")
    try:
        parting = Parting(fork, alterations.watched(asked["watched"]), _shut(asked, scratch), arm_only)
    except OSError as error:
        return f"it cannot be confined: {error}"
    try:
        result = arm.called(asked["entry"], asked["payload"], parting)
    except BaseException as error:  # noqa: BLE001 - whatever it is is told
        if last := parting.last:
            arm.ended(partial(last.failed, error))
        traceback.print_exc()
        if os.getpid() != parting.trunk:  # an arm that could not become one
            os._exit(OWN_FAILURE)
        return f"{type(error).__name__}: {error}"  # the arms will meet the same, and tell of it
    if (last := parting.last) is None:
        return f"{asked['entry']} never came to where its arms part"
    arm.ended(partial(last.returned, result))


def _shut(asked: Mapping[str, Any], scratch: Path) -> frozenset[int]:
    """Takes from the trunk what no arm may write; the watchdog of each opens the arm's own folders."""
    told = Protected.from_json(asked["protected"])
    return confine.shut(Protected(told.read_only, (scratch,))) if told.read_only else frozenset()
