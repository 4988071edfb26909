"""The branch of a clone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.source.branch import branch
from harness.source.tree import Tree, at
from harness.tests.toyland import upstream


def clone(root: Path, head: str) -> Tree:
    """A tree in `python/` of a repository whose HEAD reads like this."""
    (root / ".git").mkdir()
    (root / ".git" / "HEAD").write_text(f"{head}\n")
    return at(upstream.write(root / "python"))


def test_the_branch_that_is_checked_out_is_told(tmp_path: Path) -> None:
    tree = clone(tmp_path, "ref: refs/heads/fix/pages")
    assert branch(tree) == "fix/pages"
    assert branch(replace(tree, origin="installed")) is None


def test_a_second_work_tree_names_its_folder(tmp_path: Path) -> None:
    (tmp_path / "main" / "own").mkdir(parents=True)
    (tmp_path / "main" / "own" / "HEAD").write_text("ref: refs/heads/topic\n")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / ".git").write_text("gitdir: ../main/own\n")
    assert branch(at(upstream.write(tmp_path / "second" / "python"))) == "topic"


def test_a_commit_or_a_plain_folder_has_none(tmp_path: Path) -> None:
    assert branch(at(upstream.write(tmp_path / "plain" / "tree"))) is None
    assert branch(clone(tmp_path, "4c" * 20)) is None
