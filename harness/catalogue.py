"""Finds what can be run: each `pr…`, `issue…` and `config_…` module of `reproducers`, by any of its names."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import pkgutil
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from harness.errors import BadInput, FactsError
from harness.facts import Configuration, Reproducer, Subject

PACKAGE = "reproducers"
S = TypeVar("S", bound=Subject)
_MODULE = re.compile(r"(pr|issue)\d+(_\w+)?")
_CONFIGURATION = re.compile(r"config_\w+")


def load_all(package: str = PACKAGE) -> tuple[Reproducer, ...]:
    """Every reproducer of a package, in order of id; BadInput if there is none."""
    subjects = (load(module) for module in _modules(package) if is_reproducer(module.rpartition(".")[2]))
    found = tuple(subject for subject in subjects if isinstance(subject, Reproducer))
    if not found:
        raise BadInput(
            f"the package {package} holds no reproducer: add one as {package}/pr<number>_<name>.py"
        )
    return found


def subjects(package: str = PACKAGE) -> tuple[Subject, ...]:
    """Every reproducer, then every configuration."""
    configurations = (load(module) for module in _modules(package) if is_configuration(module))
    return (*load_all(package), *configurations)


def _modules(package: str) -> list[str]:
    path = importlib.import_module(package).__path__
    return sorted(f"{package}.{info.name}" for info in pkgutil.iter_modules(path))


def is_reproducer(module: str) -> bool:
    """Whether a module's name is that of a reproducer: `pr<number>_<name>` or `issue<number>_<name>`."""
    return bool(_MODULE.fullmatch(module))


def holds_subject(module: str) -> bool:
    """Whether a module's name is that of a reproducer or of a configuration."""
    return is_reproducer(module) or is_configuration(module)


def is_configuration(module: str) -> bool:
    """Whether a module's name is that of a configuration: `config_<name>`."""
    return bool(_CONFIGURATION.fullmatch(module.rpartition(".")[2]))


def load(module: str) -> Subject:
    """What a module holds under the name REPRODUCER, or CONFIGURATION."""
    name, kind = ("CONFIGURATION", Configuration) if is_configuration(module) else ("REPRODUCER", Reproducer)
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, kind):
        raise FactsError(f"{module}: {name}: the module defines none")
    return found


def load_reproducer(module: str) -> Reproducer:
    """The reproducer that a module holds; FactsError if it holds something else."""
    found = load(module)
    if not isinstance(found, Reproducer):
        raise FactsError(f"{module}: CONFIGURATION: holds a configuration, not a reproducer")
    return found


def names(subject: Subject) -> tuple[str, ...]:
    """What a user may call it: id, short id, pull request and issue number."""
    bug = subject.bug if isinstance(subject, Reproducer) else None
    numbers = (bug.pr, bug.issue) if bug else (subject.id.removeprefix("config_"),)
    return (subject.id, subject.short_id, *(str(number) for number in numbers if number))


def find(name: str, among: Sequence[S]) -> S:
    """The one of that number or id; BadInput with near matches if there is none."""
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


def source_digest(subject: Subject) -> str:
    """sha256 of the module that a subject is written in: what was measured with another text is not of it."""
    return hashlib.sha256(file_of(subject).read_bytes()).hexdigest()


def file_of(subject: Subject) -> Path:
    """The module that a subject is written in."""
    return Path(str(sys.modules[subject.module].__file__))


def golden_folder(package: str = PACKAGE) -> Path:
    """Where the goldens lie: beside an installed package's reproducers, or in a checkout's golden/."""
    home = Path(str(importlib.import_module(package).__file__)).parent
    installed = home / "golden"
    return installed if installed.is_dir() else home.parent / "golden"
