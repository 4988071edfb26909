"""Finds what can be run by any of its names: modules `pr…`, `issue…`, `bug_…`, `config_…` of every home."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from harness import homes
from harness.errors import BadInput, FactsError
from harness.facts import Configuration, DeclaredKind, Reproducer, Subject
from harness.foreign import shown
from harness.homes import Home

S = TypeVar("S", bound=Subject)


@dataclass(frozen=True)
class Catalogue:
    """What can be run: every reproducer, then every configuration; their homes, and their own fault kinds."""

    homes: tuple[Home, ...]
    subjects: tuple[Subject, ...]
    kinds: tuple[DeclaredKind, ...] = ()

    @property
    def reproducers(self) -> tuple[Reproducer, ...]:
        return tuple(one for one in self.subjects if isinstance(one, Reproducer))


def read(named: Sequence[Path] = ()) -> Catalogue:
    """Everything that can be run; `named` are folders of reproducers beside Refault's own.

    Raises BadInput for a folder that is no home, FactsError for a module that is none, and where two
    subjects share a name or a number, or two packages declare one fault kind.
    """
    found = homes.every(named)
    loaded = [load(f"{home.package}.{module}") for home in found for module in home.modules]
    ordered = tuple(sorted(loaded, key=lambda subject: isinstance(subject, Configuration)))
    _refuse_namesakes(ordered)
    return Catalogue(found, ordered, _kinds(ordered))


def _refuse_namesakes(subjects: Iterable[Subject]) -> None:
    """BadInput where two subjects answer to one name."""
    taken: dict[str, Subject] = {}
    for subject in subjects:
        for name in dict.fromkeys(names(subject)):
            if other := taken.get(name):
                files = " and ".join(shown(file_of(one)) for one in (other, subject))
                raise BadInput(f"{files} both answer to {name}: give one another number, or leave one out")
            taken[name] = subject


def _kinds(subjects: Iterable[Subject]) -> tuple[DeclaredKind, ...]:
    """The fault kinds that subjects declare; FactsError where one name has two meanings."""
    found: dict[str, DeclaredKind] = {}
    for subject in subjects:
        for kind in sorted(subject.declared_kinds):
            known = found.setdefault(kind, kind)
            if known.about != kind.about:
                problem = f"{kind} means {known.about!r} elsewhere and {kind.about!r} here: rename one"
                raise FactsError(f"{subject.module}: watch.kinds: {problem}")
    return tuple(found.values())


def load_all(package: str = homes.OWN) -> tuple[Reproducer, ...]:
    """Every reproducer of a package, in order of id; BadInput if there is none."""
    found = tuple(subject for subject in _loaded(package) if isinstance(subject, Reproducer))
    if not found:
        raise BadInput(
            f"the package {package} holds no reproducer: add one as {package}/pr<number>_<name>.py"
        )
    return found


def subjects(package: str = homes.OWN) -> tuple[Subject, ...]:
    """Every reproducer of a package, then every configuration."""
    configurations = (subject for subject in _loaded(package) if isinstance(subject, Configuration))
    return (*load_all(package), *configurations)


def _loaded(package: str) -> Iterator[Subject]:
    return (load(f"{package}.{module}") for module in homes.own(package).modules)


def is_configuration(module: str) -> bool:
    """Whether a module's name is that of a configuration: `config_<name>`."""
    return module.rpartition(".")[2].startswith("config_")


def load(module: str, told: Sequence[Mapping[str, Any]] = ()) -> Subject:
    """What a module holds under the name REPRODUCER, or CONFIGURATION.

    `told` are homes as `Home.to_json` writes them, for a process that has not opened them yet.
    """
    for home in map(Home.from_json, told):
        homes.open_home(home)
    name, kind = ("CONFIGURATION", Configuration) if is_configuration(module) else ("REPRODUCER", Reproducer)
    found = getattr(_imported(module), name, None)
    if not isinstance(found, kind):
        raise FactsError(f"{module}: {name}: the module defines none")
    return found


def _imported(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except FactsError:
        raise
    except (Exception, SystemExit) as error:  # whatever a module raises while it is imported
        told = shown(f"{type(error).__name__}: {error}")
        raise FactsError(f"{module}: cannot be imported ({told}): mend it") from error


def load_reproducer(module: str) -> Reproducer:
    """The reproducer that a module holds; FactsError if it holds something else."""
    found = load(module)
    if not isinstance(found, Reproducer):
        raise FactsError(f"{module}: CONFIGURATION: holds a configuration, not a reproducer")
    return found


def names(subject: Subject) -> tuple[str, ...]:
    """What a user may call it: id, short id, the numbers of pull requests and issues, or else the name."""
    numbers = [str(number) for number in subject.bug.numbers] if isinstance(subject, Reproducer) else []
    return (subject.id, subject.short_id, *(numbers or [_name(subject)]))


def _name(subject: Subject) -> str:
    """An id without its number or kind. Two subjects may have the same."""
    return subject.id.partition("_")[2]


def find(name: str, among: Sequence[S]) -> S:
    """The one of that number, id or name. BadInput where none is, with near matches, or more than one."""
    wanted = _typed(name)
    called = [one for one in among if wanted in names(one)] or [one for one in among if _name(one) == wanted]
    if wanted and len(called) == 1:
        return called[0]
    if wanted and called:
        both = " and ".join(one.id for one in called)
        raise BadInput(f"{name!r} is the name of {both}: write one of those instead")
    known = {known: reproducer for reproducer in among for known in names(reproducer)}
    near = [known[match] for match in difflib.get_close_matches(wanted, known, n=5, cutoff=0.5)]
    hint = ", ".join(dict.fromkeys(f"{reproducer.short_id} ({reproducer.title})" for reproducer in near))
    raise BadInput(
        f"no reproducer is called {name!r}: " + (f"did you mean {hint}" if hint else "see `refault list`")
    )


def is_called(name: str, module: str) -> bool:
    """Whether a user may mean the configuration of that module by a name; the module is not imported."""
    return _typed(name) in (module, module.partition("_")[2])


def _typed(name: str) -> str:
    """A name as it stands in `names`."""
    return name.strip().lstrip("#").lower().replace("-", "_")


def source_digest(subject: Subject) -> str:
    """sha256 of the module that a subject is written in: what was measured with another text is not of it."""
    return hashlib.sha256(file_of(subject).read_bytes()).hexdigest()


def file_of(subject: Subject) -> Path:
    """The module that a subject is written in."""
    return Path(str(sys.modules[subject.module].__file__))


def golden_folder(package: str = homes.OWN) -> Path:
    """Where the goldens of a package lie: see `Home.goldens`."""
    return homes.own(package).goldens
