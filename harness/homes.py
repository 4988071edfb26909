"""Where reproducers live: Refault's own, those of installed packages, and those of folders a user names."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import BadInput
from harness.foreign import cause, shown

OWN = "reproducers"
"""The package of Refault's own reproducers."""
GROUP = "refault.reproducers"
"""The entry-point group by which an installed distribution names its package of reproducers."""
VARIABLE = "REFAULT_REPRODUCERS"
"""Folders as PATH has them, where no --reproducers is given."""
SUBJECT = re.compile(r"(pr|issue)\d+(_\w+)?|(bug|config)_\w+")
"""The name of a module that holds a reproducer or a configuration."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, kw_only=True)
class Home:
    """One package of reproducers: its importable name, and the folder of its modules.

    `named` says that a user gave the folder, so that Python finds the package by `open_home` alone.
    """

    package: str
    folder: Path
    named: bool = False

    @property
    def top(self) -> str:
        """The top-level package."""
        return self.package.partition(".")[0]

    @property
    def root(self) -> Path:
        """The folder of the top-level package: helpers may lie beside the reproducers' own."""
        return self.folder.parents[self.package.count(".") - 1] if "." in self.package else self.folder

    @property
    def goldens(self) -> Path:
        """`golden/` inside the folder, as an installed package has it, or beside it, as a checkout does."""
        inside, beside = self.folder / "golden", self.folder.parent / "golden"
        is_beside = not inside.is_dir() and (not self.is_installed or beside.is_dir())
        return beside if is_beside else inside

    @property
    def is_installed(self) -> bool:
        """Whether the folder is below site-packages, where nothing is ever written."""
        return not _INSTALLED.isdisjoint(self.folder.parts)

    @property
    def modules(self) -> tuple[str, ...]:
        """The last names of the modules that hold a reproducer or a configuration, in order."""
        files = (path for path in self.folder.glob("*.py") if SUBJECT.fullmatch(path.stem))
        return tuple(sorted(path.stem for path in files))

    def file(self, module: str) -> Path:
        """The file of one of its modules, by its last name."""
        return self.folder / f"{module}.py"

    def to_json(self) -> dict[str, Any]:
        return {"package": self.package, "folder": str(self.folder), "named": self.named}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Home:
        return cls(package=data["package"], folder=Path(data["folder"]), named=data["named"])


def every(named: Sequence[Path] = ()) -> tuple[Home, ...]:
    """Refault's own home, those of installed distributions, then those of the named folders; each once.

    Raises BadInput for a folder or an entry point that is no home, and where two modules have one name.
    """
    found = [own(), *_installed(), *(_of_folder(path) for path in named)]
    places: dict[str, Home] = {}
    for home in found:
        places.setdefault(os.path.realpath(home.folder), home)
    homes = tuple(places.values())
    _refuse_twins(homes)
    for home in homes:
        open_home(home)
    return homes


def from_environment() -> tuple[Path, ...]:
    """The folders that the environment names."""
    return tuple(Path(word) for word in os.environ.get(VARIABLE, "").split(os.pathsep) if word)


def own(package: str = OWN) -> Home:
    """The home of a package that Python finds: by default Refault's own."""
    return _of_package(package, importlib.import_module(package))


def open_home(home: Home) -> None:
    """Have Python find the package of a named folder from now on, in this process.

    Raises BadInput where another package of that name is in the way.
    """
    if not home.named:
        return
    if known := _location(home.package):
        if os.path.realpath(known) != os.path.realpath(home.folder):
            problem = f"{shown(home.folder)}: the package {home.package} is at {shown(known)} already"
            raise BadInput(f"{problem}: rename the folder")
        return
    sys.meta_path.append(_HomeFinder(home))


class _HomeFinder(MetaPathFinder):
    """Finds one package in its folder; what lies beside that stays out of reach."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._home.package:
            return None
        inside, init = [str(self._home.folder)], self._home.folder / "__init__.py"
        if init.is_file():
            return importlib.util.spec_from_file_location(fullname, init, submodule_search_locations=inside)
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = inside
        return spec


def _location(package: str) -> str | None:
    """Where Python finds a top-level module of that name; None where it does not."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module without a spec, such as __main__
        return package
    if spec is None:
        return None
    return next(iter(spec.submodule_search_locations or ()), None) or spec.origin or package


def _of_folder(path: Path) -> Home:
    folder = Path(os.path.abspath(path))
    problem = f"--reproducers {shown(path)}"
    if not folder.is_dir():
        what = "is no folder" if os.path.lexists(folder) else "is not there"
        raise BadInput(f"{problem}: {what}: name a folder that holds pr<number>_<name>.py")
    if not folder.name.isidentifier():
        raise BadInput(f"{problem}: {folder.name!r} is no name of a package: use letters, digits and _")
    home = Home(package=folder.name, folder=folder, named=True)
    try:
        os.listdir(folder)
    except OSError as error:
        raise BadInput(f"{problem}: cannot be read ({cause(error)}): name one that can be") from error
    if not home.modules:
        raise BadInput(f"{problem}: holds no reproducer: add one as pr<number>_<name>.py")
    return home


def _installed() -> Iterator[Home]:
    """The homes that installed distributions name, by the names of their entry points."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        home = _of_package(point.value, _imported(point))
        if not home.modules:
            raise BadInput(f"{_told(point)}: holds no reproducer: add one, or uninstall that package")
        yield home


def _imported(point: EntryPoint) -> ModuleType:
    try:
        return importlib.import_module(point.value)
    except Exception as error:  # whatever a foreign module raises when it is imported
        problem = f"{_told(point)}: cannot be imported ({shown(f'{type(error).__name__}: {error}')})"
        raise BadInput(f"{problem}: mend that package, or uninstall it") from error


def _told(point: EntryPoint) -> str:
    owner = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"the entry point {shown(point.name)} = {shown(point.value)} in {GROUP}{owner}"


def _of_package(package: str, module: ModuleType) -> Home:
    folder = next(iter(getattr(module, "__path__", ())), None)
    if folder is None:
        raise BadInput(f"{package} is a module, not a package: name one that holds pr<number>_<name>.py")
    return Home(package=package, folder=Path(folder))


def _refuse_twins(homes: Sequence[Home]) -> None:
    """BadInput where two homes have a package or a module of one name."""
    packages: dict[str, Path] = {}
    modules: dict[str, Path] = {}
    for home in homes:
        if other := packages.get(home.package):
            raise BadInput(
                f"{shown(home.folder)} and {shown(other)} are both called {home.package}: rename one"
            )
        packages[home.package] = home.folder
        for module in home.modules:
            if first := modules.get(module):
                twins = f"{shown(first)} and {shown(home.file(module))}"
                raise BadInput(f"{twins} are both called {module}: rename one")
            modules[module] = home.file(module)
