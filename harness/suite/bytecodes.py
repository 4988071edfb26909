"""The bytecode that the arms of one suite share, made once for what they import.

Where arms have read-only folders, so that none of them can have altered it, it stays for later runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

from harness.errors import BadInput
from harness.facts import Subject, Tier
from harness.process.protection import Protection
from harness.source import bytecode
from harness.source.bytecode import Making, Ready
from harness.source.symbols import functions_by_module
from harness.suite.planning import attested
from harness.suite.request import Request, missing
from harness.suite.setting import Setting

_LAUNCHER = "launch_server"
"""Upstream's module that a server is started by."""


class Bytecodes:
    """One making per set of modules, begun when it is first asked for, in the folder of a run."""

    def __init__(self, setting: Setting, folder: Path, protection: Protection) -> None:
        self._setting, self._folder = setting, folder
        self._stays = protection is Protection.READ_ONLY
        self._begun: dict[tuple[frozenset[str], bool], Making | Ready] = {}
        self._homes: dict[str, frozenset[str]] = {}
        self._numbers = count(1)

    def of_cases(self, requests: Sequence[Request]) -> Making | Ready:
        """Of what the arms of these cases import to begin with; what more they import they compile."""
        runnable = [request for request in requests if not missing(request, self._setting.machine)]
        served = any(request.tier is Tier.SERVER for request in runnable)
        launcher = [f"{self._setting.tree.package}.{_LAUNCHER}"] if served else []
        subjects = {request.reproducer.id: request.reproducer for request in runnable}.values()
        return self.of([*launcher, *(home for one in subjects for home in self._homes_of(one))], deep=served)

    def of(self, modules: Iterable[str], *, deep: bool = False) -> Making | Ready:
        """Of these modules of the tree under test, and of what they import."""
        key = frozenset(modules), deep
        if key not in self._begun:
            kept = self._kept(key[0], deep=deep)
            self._begun[key] = (kept and bytecode.kept(kept)) or self._making(key[0], kept, deep=deep)
        return self._begun[key]

    def _kept(self, modules: Iterable[str], *, deep: bool) -> Path | None:
        """Where a former run may have left it; nowhere where an arm could have written."""
        if not self._stays:
            return None
        try:
            name = bytecode.key(self._setting.tree.content_hash, sorted(modules), deep=deep)
        except BadInput:  # each case will be told so when it is planned
            return None
        return self._setting.workspace.bytecode / name

    def _making(self, modules: Iterable[str], kept: Path | None, *, deep: bool) -> Making:
        file, tree = self._folder / f"bytecode.{next(self._numbers)}", self._setting.tree
        return Making(tree.root, tree.package, sorted(modules), file, deep=deep, kept=kept)

    def discard(self) -> None:
        """Take away what was made."""
        for making in self._begun.values():
            making.discard()
        self._begun.clear()

    def _homes_of(self, subject: Subject) -> frozenset[str]:
        """The modules in which its functions are."""
        if subject.id not in self._homes:
            tree = self._setting.tree
            try:
                self._homes[subject.id] = frozenset(functions_by_module(tree, attested(tree, subject)))
            except BadInput:  # its case will be told so when it is planned
                return frozenset()
        return self._homes[subject.id]
