"""Changes modules right after they were imported, for a process in which upstream decides what it imports."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Change = Callable[[Any], None]
"""Takes the module that was just executed."""


def after(changes: Mapping[str, Change]) -> None:
    """Call each change once its module is imported, or now if it is."""
    for name in set(changes) & set(sys.modules):
        changes[name](sys.modules[name])
    waiting = {name: change for name, change in changes.items() if name not in sys.modules}
    sys.meta_path.insert(0, _Finder(waiting))


class _Finder(MetaPathFinder):
    def __init__(self, changes: Mapping[str, Change]) -> None:
        self._changes = dict(changes)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # Taken out at once: finders that ask all others for the same module would come back here.
        change = self._changes.pop(fullname, None)
        if change is None:
            return None
        spec = _found_by_others(self, fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Changer(spec.loader, change)
        return spec


def _found_by_others(
    me: MetaPathFinder, fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        if finder is not me and (spec := finder.find_spec(fullname, path, target)) is not None:
            return spec
    return None


class _Changer(Loader):
    def __init__(self, loader: Loader, change: Change) -> None:
        self._loader, self._change = loader, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader  # who asks the module for its source is to find it
        self._loader.exec_module(module)
        self._change(module)
