"""Acts before and after chosen imports, in a process in which upstream decides what is imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Change = Callable[[Any], None]
"""Takes the module that was just executed."""
Noted = Callable[[str], None]
"""Is told of each change as it is made."""
Around = Callable[[ModuleType], AbstractContextManager[None]]
"""Takes the module that is about to be executed, and holds while it is."""


def after(changes: Mapping[str, Change]) -> MetaPathFinder:
    """Call each change once its module is imported, or now if it is; returns what sees to that."""
    for name in set(changes) & set(sys.modules):
        changes[name](sys.modules[name])
    waiting = {name: change for name, change in changes.items() if name not in sys.modules}
    # Taken out no sooner: upstream may only ask whether there is such a module, and import it later.
    return around(lambda name: partial(_once_done, waiting, name) if name in waiting else None)


@contextmanager
def meanwhile(holding: Mapping[str, Around]) -> Iterator[None]:
    """In the block each of these holds once its module is imported, or from its start on if it is."""
    with ExitStack() as held:
        entered = {name: partial(_enter, held, one) for name, one in holding.items()}
        finder = after(entered)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)


def around(choose: Callable[[str], Around | None]) -> MetaPathFinder:
    """Ask `choose` for each module that is imported from now on whether something is to hold meanwhile.

    Returns what asks.
    """
    finder = _Finder(choose)
    sys.meta_path.insert(0, finder)
    return finder


def _enter(held: ExitStack, one: Around, module: ModuleType) -> None:
    held.enter_context(one(module))


@contextmanager
def _once_done(waiting: dict[str, Change], name: str, module: ModuleType) -> Iterator[None]:
    yield
    if change := waiting.pop(name, None):
        change(module)


class _Finder(MetaPathFinder):
    def __init__(self, choose: Callable[[str], Around | None]) -> None:
        self._choose = choose
        self._asking: set[tuple[int, str]] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        asked = (threading.get_ident(), fullname)  # other finders that ask all for the same come back here
        if asked in self._asking or (chosen := self._choose(fullname)) is None:
            return None
        self._asking.add(asked)
        try:
            spec = self._found_by_others(fullname, path, target)
        finally:
            self._asking.discard(asked)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, chosen)
        return spec

    def _found_by_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        # Whoever else wants a hand in this import, such as the attestation, keeps it.
        for finder in list(sys.meta_path):
            if finder is not self and (spec := finder.find_spec(fullname, path, target)) is not None:
                return spec
        return None


class _Loader(Loader):
    def __init__(self, loader: Loader, around: Around) -> None:
        self._loader, self._around = loader, around

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader  # who asks the module for its source is to find it
        if module.__spec__:
            module.__spec__.loader = self._loader
        with self._around(module):
            self._loader.exec_module(module)
