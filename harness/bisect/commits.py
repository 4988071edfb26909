"""Commits of a checkout as trees: taken out of git into the cache, the checkout left as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import foreign
from harness.errors import BadInput
from harness.foreign import cause, shown
from harness.source import tree
from harness.source.listing import LARGEST_TREE, MOST_FILES
from harness.source.tree import Tree

_DIGEST = "content-hash"
"""Beside the package in a commit's folder: the content hash with which it was taken out."""
_QUIET = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
"""A clone's own settings run no programs of theirs here."""
_SECONDS = 600
"""A clone without its blobs fetches what an archive needs."""


@dataclass(frozen=True)
class Commits:
    """A git repository that holds the package, and the folder that its commits are taken out into."""

    checkout: Path
    cache: Path
    package: str = "sglang"

    def line(self, first: str, last: str) -> list[str]:
        """The commits from `first` to its descendant `last`, oldest first, that change the package.

        First parents only: what lies on a merged branch was never the main line's code. `first` is
        always there; the newest that changes the package stands for `last`. BadInput if there is no
        such commit, if they are not in line, or if nothing changed.
        """
        old, new = self._commit(first), self._commit(last)
        if self._git("merge-base", "--is-ancestor", old, new, check=False).returncode:
            raise BadInput(f"{first} is no ancestor of {last}: give two commits of one line of history")
        listed = ("rev-list", "--first-parent", "--reverse", f"{old}..{new}", "--", self._home(new))
        changing = self._git(*listed).stdout.decode().split()
        if not changing:
            raise BadInput(f"nothing of {self.package} changes from {first} to {last}: give others")
        return [old, *changing]

    def is_ancestor(self, one: str, other: str) -> bool:
        """Whether a commit comes before another. BadInput if one is not there."""
        pair = self._commit(one), self._commit(other)
        return not self._git("merge-base", "--is-ancestor", *pair, check=False).returncode

    def title(self, commit: str) -> str:
        """The commit's short name, day and first line."""
        told = self._git("log", "-1", "--format=%h %cs %s", commit).stdout
        return shown(told.decode(errors="replace").strip())

    def changed(self, commit: str) -> dict[str, Callable[[], tuple[bytes | None, bytes | None]]]:
        """The package's files that a commit changed against its first parent, by their path in the package.

        Each is read when it is asked for: as it was, and as it became; None where it is not there.
        """
        home = self._home(commit)
        told = self._git("diff-tree", "-r", "-z", "--no-renames", f"{commit}^1", commit, "--", home).stdout
        words = told.decode(errors="surrogateescape").split("\0")
        found: dict[str, Callable[[], tuple[bytes | None, bytes | None]]] = {}
        for entry, path in zip(words[::2], words[1::2], strict=False):
            _, _, old, new, _ = entry.split(" ")
            found[path.removeprefix(f"{home}/")] = partial(self._versions, old, new)
        return found

    def _versions(self, old: str, new: str) -> tuple[bytes | None, bytes | None]:
        return self._blob(old), self._blob(new)

    def _blob(self, name: str) -> bytes | None:
        return self._git("cat-file", "blob", name).stdout if name.strip("0") else None

    def tree(self, commit: str) -> Tree:
        """The tree of a commit, as it was taken out. BadInput if it does not hold the package."""
        root = self.cache / commit
        if not self._intact(root):
            try:
                self._take_out(commit, root)
            except (OSError, tarfile.TarError) as error:
                problem = f"commit {commit[:12]} cannot be taken out into {self.cache} ({cause(error)})"
                raise BadInput(f"{problem}: see that the disk has room, or give other commits") from error
        return tree.at(root, self.package)

    def _intact(self, root: Path) -> bool:
        """Whether a commit's folder holds what was taken out into it; reads all of it."""
        try:
            known = foreign.text(root / _DIGEST, largest=foreign.LARGEST_TABLE)
            return tree.at(root, self.package).content_hash == known.strip()
        except BadInput:  # it is not there, or not as it was
            return False

    def _take_out(self, commit: str, root: Path) -> None:
        """Unpack aside and move in, so that whoever looks sees all of it or nothing."""
        home = self._home(commit)
        self._hold_size(commit, home)
        self.cache.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self.cache))
        try:
            archive = aside / "archive.tar"
            self._git("archive", "--format=tar", f"--output={archive}", commit, "--", home)
            with tarfile.open(archive) as packed:
                packed.extractall(aside, filter="data")
            made = _alone(aside / Path(home).parent, self.package, aside)
            (made / _DIGEST).write_text(tree.at(made, self.package).content_hash + "\n", encoding="utf-8")
            if root.exists():  # not as it was taken out
                os.rename(root, aside / "damaged")
            self._move_in(made, root)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _move_in(self, made: Path, root: Path) -> None:
        try:
            os.rename(made, root)
        except OSError:
            if not self._intact(root):  # else someone else was first
                raise

    def _hold_size(self, commit: str, home: str) -> None:
        """BadInput for a commit of more files or bytes than a tree may have."""
        listed = self._git("ls-tree", "-r", "-l", "-z", commit, "--", home).stdout.split(b"\0")
        size = sum(int(words[3]) for one in listed if (words := one.split(None, 4)) and words[3].isdigit())
        if len(listed) > MOST_FILES or size > LARGEST_TREE:
            raise BadInput(f"{commit[:12]} holds more than {MOST_FILES} files or {LARGEST_TREE >> 30} GiB")

    def _home(self, commit: str) -> str:
        """Where the package lies in a commit."""
        for home in (f"python/{self.package}", self.package):
            name = f"{commit}:{home}/__init__.py"
            if not self._git("cat-file", "-e", name, check=False).returncode:
                return home
        raise BadInput(f"{commit[:12]} holds no {self.package}/: give commits of its repository")

    def _commit(self, name: str) -> str:
        found = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", check=False
        )
        if found.returncode:
            problem = f"{shown(name)} is no commit of {shown(self.checkout)}"
            raise BadInput(f"{problem}: fetch it, or correct the name")
        return found.stdout.decode().strip()

    def _git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command, where = ["git", *_QUIET, "-C", str(self.checkout), *words], shown(self.checkout)
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=_SECONDS
            )
        except FileNotFoundError as error:
            raise BadInput("git is not installed here: install it, or bisect releases") from error
        except subprocess.TimeoutExpired as error:
            problem = f"git {words[0]} in {where} took more than {_SECONDS} s"
            raise BadInput(f"{problem}: fetch what the clone lacks, and run again") from error
        said = shown(" ".join(done.stderr.decode(errors="replace").split()))
        if done.returncode == 128 and "not a git repository" in said:
            raise BadInput(f"--checkout {where}: is no git repository: give a clone of upstream's")
        if check and done.returncode:
            raise BadInput(f"git {words[0]} in {where} failed ({said}): see that the clone is whole")
        return done


def _alone(folder: Path, package: str, aside: Path) -> Path:
    """A folder with the package and nothing else."""
    made = aside / "made"
    made.mkdir()
    os.rename(folder / package, made / package)
    return made
