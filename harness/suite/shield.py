"""What the arms of a suite must not write: what later runs believe, and what runs beside them."""

from __future__ import annotations

from pathlib import Path

import harness
from harness.facts import Tier
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
        if self._protection is Protection.COMPARED:
            self._guard.watch(self._setting.goldens.folder, restored=True)
            for folder in (_OURS, _OURS.parent / "reproducers", self._setting.tree.folder):
                self._guard.watch(folder)

    def over(self, plan: ArmPlan) -> Protected:
        """What this arm must not write, and what of that it must, once its tree is there."""
        tree, workspace = plan.tree, self._setting.workspace
        if self._protection is Protection.COMPARED:
            self._guard.watch(tree.folder)
        models = plan.models if plan.tier is Tier.SERVER else None
        if models:
            models.mkdir(parents=True, exist_ok=True)
        everywhere = (_OURS.parent, workspace.root, self._setting.goldens.folder)
        trees = (self._setting.tree.root, tree.root)
        return Protected((*everywhere, *trees), (models,) if models else ())

    def changed(self, since: float) -> tuple[str, ...]:
        """The files that were changed all the same since that moment, of time.monotonic()."""
        return self._guard.changed(since)
