"""What the arms of a suite must not write: what later runs believe, and what runs beside them."""

from __future__ import annotations

from pathlib import Path

import harness
from harness.facts import Tier
from harness.homes import OWN
from harness.process.confine import Protected
from harness.process.protection import Protection
from harness.suite.guard import Guard
from harness.suite.setting import Setting
from harness.tiers.arms import ArmPlan

_OURS = Path(next(iter(harness.__path__)))


class Shield:
    """Read-only folders where the machine allows them, else, and for the rest, a look at them afterwards."""

    def __init__(self, setting: Setting, protection: Protection) -> None:
        self._setting, self._protection = setting, protection
        self._guard = Guard()

    def raise_it(self) -> None:
        """Keep in mind how things are before any arm runs."""
        for folder in self._setting.goldens.folders:
            # What is not there yet cannot be mounted, and an arm could make it.
            if self._protection is Protection.COMPARED or not folder.exists():
                self._guard.watch(folder, restored=True)
        if self._protection is Protection.COMPARED:
            for folder in (_OURS, *self._homes(), self._setting.tree.folder):
                self._guard.watch(folder)

    def over(self, plan: ArmPlan) -> Protected:
        """What this arm must not write, and what of that it must, once its tree is there."""
        tree, workspace = plan.tree, self._setting.workspace
        if self._protection is Protection.COMPARED:
            self._guard.watch(tree.folder)
        models = plan.models if plan.tier is Tier.SERVER else None
        if models:
            models.mkdir(parents=True, exist_ok=True)
        everywhere = (_OURS.parent, workspace.root, *self._homes(), *self._setting.goldens.folders)
        trees = (self._setting.tree.root, tree.root)
        return Protected((*everywhere, *trees), (models,) if models else ())

    def _homes(self) -> tuple[Path, ...]:
        """The folders of Refault's own reproducers, and of those that live elsewhere."""
        return (_OURS.parent / OWN, *(home.root for home in self._setting.homes))

    def changed(self, since: float) -> tuple[str, ...]:
        """The files that were changed all the same since that moment, of time.monotonic()."""
        return self._guard.changed(since)
