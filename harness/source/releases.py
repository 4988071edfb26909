"""Released wheels as trees: fetched by pip, verified, and unpacked into a cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import BadInput, BadWheel
from harness.facts.release import order, parse
from harness.foreign import shown
from harness.source import pip, wheels
from harness.source.tree import Tree
from harness.source.wheels import Manifest

_UNFINISHED = ".unfinished-"
_WHEELS = "wheels"
_ATTEMPTS = 2
"""How often a wheel is fetched before what came is called damaged."""

__all__ = ["Releases", "manifest", "order", "parse"]


@dataclass(frozen=True)
class Releases:
    """The releases of a package in a cache folder, which runs may share; what is missing is fetched.

    An entry is the folder `<release>` with the package, its metadata and a manifest; the wheel it
    came from stays in `wheels/`, so that a damaged entry is made anew without a network.
    """

    folder: Path
    package: str = "sglang"

    def tree(self, release: str) -> Tree:
        """The tree of a release as it was published.

        BadInput if there is no such release, if it cannot be fetched, or if the cache is not writable.
        """
        tree = self._tree(release)
        with self._locked(release):
            if wheels.intact(tree):
                return tree
            self._install(tree.root, release)
        return replace(tree)  # which forgets the damaged one's hash

    def unpacked(self, wheel: Path) -> Tree:
        """The tree of a wheel file, unpacked under its digest. BadInput if it is no sound wheel."""
        try:
            version, data = wheels.version(wheel, self.package), wheels.read(wheel)
            release = f"{version}+{wheels.digest(data)[:12]}"
            tree = self._tree(release)
            with self._locked(release):
                if not wheels.intact(tree):
                    self._unpack(wheel, data, tree.root)
        except BadWheel as error:
            raise BadInput(
                f"{shown(wheel)} is no sound wheel of {self.package} ({error}): fetch it again"
            ) from error
        return replace(tree)

    def cached(self) -> tuple[str, ...]:
        """Releases that have an entry, oldest first; that they are intact is not said."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return tuple(sorted((path.name for path in found if parse(path.name)), key=order))

    def entry(self, release: str) -> Tree:
        """The tree of a cached release as it lies there; that it is intact is not said."""
        return self._tree(release)

    def published(self, since: str) -> tuple[str, ...]:
        """Every release from `since` on that the index lists, candidates left out; oldest first.

        Without an index, those that are cached.
        """
        listed = pip.versions(self.package) or self.cached()
        final = (release for release in listed if parse(release) == release and "rc" not in release)
        return tuple(sorted({release for release in final if order(release) >= order(since)}, key=order))

    def _tree(self, entry: str) -> Tree:
        return Tree(self.folder / entry, self.package, "released", entry.partition("+")[0], ours=True)

    # --- getting one ------------------------------------------------------------------------

    def _install(self, root: Path, release: str) -> None:
        kept = self._kept(release)
        if kept is None:
            kept = self._fetched(root, release)
        else:
            try:
                self._unpack(kept, wheels.read(kept), root)
            except BadWheel:  # the wheel in the cache is damaged too
                kept.unlink()
                self._fetched(root, release)

    def _kept(self, release: str) -> Path | None:
        """The wheel that this release was unpacked from, where it is still here."""
        found = sorted((self.folder / _WHEELS).glob(f"{self.package}-{release}-*.whl"))
        return found[0] if found else None

    def _fetched(self, root: Path, release: str) -> Path:
        problem: BadWheel | None = None
        for attempt in range(_ATTEMPTS):
            with self._aside(release) as aside:
                try:
                    wheel = pip.download(self.package, release, aside, afresh=attempt > 0)
                    self._unpack(wheel, wheels.read(wheel), root)
                except BadWheel as error:
                    problem = error
                    continue
                kept = self.folder / _WHEELS / wheel.name
                kept.parent.mkdir(exist_ok=True)
                return wheel.replace(kept)
        raise BadInput(
            f"the wheel of {self.package} {release} came damaged {_ATTEMPTS} times ({problem}): "
            "try again, or give --sglang a path to an unpacked tree"
        )

    def _unpack(self, wheel: Path, data: bytes, root: Path) -> None:
        """Unpack aside and move in, so that whoever looks sees the whole entry or none."""
        with self._aside(root.name) as aside:
            made = aside / "made"
            manifest = wheels.unpack(wheel, data, made, self.package)
            manifest.write(made)
            if root.exists():  # damaged: a rename cannot replace a folder that is not empty
                os.rename(root, aside / "damaged")
            os.rename(made, root)

    @contextmanager
    def _aside(self, release: str) -> Iterator[Path]:
        aside = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{release}-", dir=self.folder))
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def _locked(self, release: str) -> Iterator[None]:
        """Hold one release alone; what a killed run left half-made of it is cleared away."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / f".{release}.lock", "w", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                for leftover in self.folder.glob(f"{_UNFINISHED}{release}-*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                yield
        except OSError as error:
            problem = f"{self.folder} cannot hold a release ({error.strerror or error})"
            raise BadInput(f"{problem}: name a cache that can be written with REFAULT_CACHE") from error


def manifest(tree: Tree) -> Manifest | None:
    """What is known of the wheel that a released tree came from; None for any other tree."""
    return Manifest.read(tree.root) if tree.ours else None
