"""Finds reproducers: every `pr…`/`issue…` module of the package `reproducers`, by any of its names."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from harness.errors import BadInput, FactsError
from harness.facts import Reproducer

PACKAGE = "reproducers"
_MODULE = re.compile(r"(pr|issue)\d+(_\w+)?")


def load_all(package: str = PACKAGE) -> tuple[Reproducer, ...]:
    """Every reproducer of a package, in order of id; BadInput if there is none."""
    found = tuple(sorted(_load(importlib.import_module(package)), key=lambda reproducer: reproducer.id))
    if not found:
        raise BadInput(
            f"the package {package} holds no reproducer: add one as {package}/pr<number>_<name>.py"
        )
    return found


def _load(package: ModuleType) -> Iterator[Reproducer]:
    for info in pkgutil.iter_modules(package.__path__):
        if is_reproducer(info.name):
            yield load(f"{package.__name__}.{info.name}")


def is_reproducer(module: str) -> bool:
    """Whether a module's name is that of a reproducer: `pr<number>_<name>` or `issue<number>_<name>`."""
    return bool(_MODULE.fullmatch(module))


def load(module: str) -> Reproducer:
    """The reproducer that a module holds under the name REPRODUCER."""
    found = getattr(importlib.import_module(module), "REPRODUCER", None)
    if not isinstance(found, Reproducer):
        raise FactsError(f"{module}: REPRODUCER: the module defines none")
    return found


def names(reproducer: Reproducer) -> tuple[str, ...]:
    """What a user may call it: id, short id, pull request and issue number."""
    numbers = (reproducer.bug.pr, reproducer.bug.issue)
    return (reproducer.id, reproducer.short_id, *(str(number) for number in numbers if number))


def find(name: str, among: Sequence[Reproducer]) -> Reproducer:
    """The reproducer of that number or id; BadInput with near matches if there is none."""
    wanted = name.strip().lstrip("#").lower()
    for reproducer in among:
        if wanted in names(reproducer):
            return reproducer
    known = {known: reproducer for reproducer in among for known in names(reproducer)}
    near = [known[match] for match in difflib.get_close_matches(wanted, known, n=5, cutoff=0.5)]
    hint = ", ".join(dict.fromkeys(f"{reproducer.short_id} ({reproducer.title})" for reproducer in near))
    raise BadInput(
        f"no reproducer is called {name!r}: " + (f"did you mean {hint}" if hint else "see `refault list`")
    )


def golden_folder(package: str = PACKAGE) -> Path:
    """Where the goldens lie: beside an installed package's reproducers, or in a checkout's golden/."""
    home = Path(str(importlib.import_module(package).__file__)).parent
    installed = home / "golden"
    return installed if installed.is_dir() else home.parent / "golden"
