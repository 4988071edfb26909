"""Commits of a checkout: in line, as trees, and without a trace in the checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.bisect.commits import Commits
from harness.errors import BadInput

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed here")


class Clone:
    """A repository like upstream's, with the package in python/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main", str(root))

    def git(self, *words: str) -> str:
        own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *own, *words], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, size: int, file: str = "python/sglang/size.py") -> str:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        (self.root / "python/sglang").mkdir(parents=True, exist_ok=True)
        (self.root / "python/sglang/__init__.py").touch()
        path.write_text(f"SIZE = {size}\n")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"size {size}")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "clone").mkdir()
    return Clone(tmp_path / "clone")


def commits(clone: Clone, tmp_path: Path) -> Commits:
    return Commits(clone.root, tmp_path / "cache")


def test_the_line_holds_what_changes_the_package(clone: Clone, tmp_path: Path) -> None:
    first, second = clone.commit(1), clone.commit(2)
    clone.commit(3, "README.py")
    last = clone.commit(4)
    assert commits(clone, tmp_path).line(first, "main") == [first, second, last]
    assert commits(clone, tmp_path).line("main~3", last) == [first, second, last]


def test_a_merged_branch_is_one_step(clone: Clone, tmp_path: Path) -> None:
    first = clone.commit(1)
    clone.git("checkout", "-q", "-b", "side")
    side = [clone.commit(2), clone.commit(3)]
    clone.git("checkout", "-q", "main")
    clone.git("merge", "-q", "--no-ff", "-m", "merged", "side")
    line = commits(clone, tmp_path).line(first, "main")
    assert len(line) == 2 and not set(line) & set(side)


def test_a_commit_is_a_tree_and_the_checkout_stays(clone: Clone, tmp_path: Path) -> None:
    first = clone.commit(1)
    clone.commit(2)
    (clone.root / "python/sglang/size.py").write_text("mine\n")
    known = commits(clone, tmp_path)
    for _ in range(2):
        tree = known.tree(first)
        assert (tree.folder / "size.py").read_text() == "SIZE = 1\n"
    assert (clone.root / "python/sglang/size.py").read_text() == "mine\n"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first]
    assert clone.git("worktree", "list").count("\n") == 0
    assert known.title(first).endswith(" size 1")


def test_which_is_the_older(clone: Clone, tmp_path: Path) -> None:
    first, second = clone.commit(1), clone.commit(2)
    known = commits(clone, tmp_path)
    assert known.is_ancestor(first, second) and not known.is_ancestor(second, first)


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("nowhere", "main", "nowhere is no commit of"),
        ("--all", "main", "--all is no commit of"),
        ("main", "main~1", "main is no ancestor of main~1"),
        ("main~1", "main", "nothing of sglang changes from main~1 to main"),
    ],
)
def test_a_line_that_is_none(clone: Clone, tmp_path: Path, first: str, last: str, told: str) -> None:
    clone.commit(1)
    clone.commit(2, "README.py")
    with pytest.raises(BadInput, match=told):
        commits(clone, tmp_path).line(first, last)


def test_a_commit_without_the_package(clone: Clone, tmp_path: Path) -> None:
    (clone.root / "x").touch()
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "bare")
    with pytest.raises(BadInput, match="holds no sglang/"):
        commits(clone, tmp_path).tree(clone.git("rev-parse", "HEAD"))


def test_a_folder_that_is_no_clone(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no git repository: give a clone"):
        Commits(tmp_path, tmp_path / "cache").line("a", "b")
