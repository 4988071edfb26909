"""Commits of a checkout as trees: taken out of git into the cache, the checkout left as it is."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput
from harness.source import tree
from harness.source.tree import Tree


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
        return self._git("log", "-1", "--format=%h %cs %s", commit).stdout.decode(errors="replace").strip()

    def tree(self, commit: str) -> Tree:
        """The tree of a commit. BadInput if it does not hold the package."""
        root = self.cache / commit
        if not root.is_dir():
            self._take_out(commit, root)
        return tree.at(root, self.package)

    def _take_out(self, commit: str, root: Path) -> None:
        """Unpack aside and move in, so that whoever looks sees all of it or nothing."""
        home = self._home(commit)
        archive = self._git("archive", "--format=tar", commit, "--", home).stdout
        self.cache.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self.cache))
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
                packed.extractall(aside, filter="data")
            # Taken out by someone else meanwhile: the same bytes.
            if not root.is_dir():
                os.rename(aside / Path(home).parent, root)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

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
            raise BadInput(f"{name} is no commit of {self.checkout}: fetch it, or correct the name")
        return found.stdout.decode().strip()

    def _git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-C", str(self.checkout), *words]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError as error:
            raise BadInput("git is not installed here: install it, or bisect releases") from error
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode == 128 and "not a git repository" in said:
            raise BadInput(f"--checkout {self.checkout}: is no git repository: give a clone of upstream's")
        if check and done.returncode:
            raise BadInput(f"git {words[0]} in {self.checkout} failed ({said}): see that the clone is whole")
        return done
