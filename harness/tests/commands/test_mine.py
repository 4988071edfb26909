"""`refault mine`, as a user types it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import app
from harness.errors import BadInput
from harness.tests.mine.samples import tree


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    tree(tmp_path / "old", fixed=False)
    tree(tmp_path / "new", fixed=True)


def refault(*words: str) -> Result:
    done = CliRunner().invoke(app, words, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_the_fixes_are_listed_with_reasons_and_reverts() -> None:
    told = refault("mine", "--from", "old", "--to", "new").stdout.splitlines()
    assert told[0].startswith("old to new, in srt, kernels, jit_kernel, lang: 5 functions differ, ")
    assert told[1].startswith("  1  ") and "gather_kernel  kernels/gather.py:1  (int64" in told[1]
    assert told[2].strip() == "tl.load(table + pid) → tl.load(table + pid).to(tl.int64)"
    assert told[3].strip() == "1 edit, proven"
    assert "Pool.pages  srt/mem_cache/pool.py:9  (page" in told[4]


def test_progress_goes_to_standard_error() -> None:
    assert "[2/2] srt/mem_cache/pool.py" in refault("mine", "--from", "old", "--to", "new").stderr


def test_the_json_has_what_is_listed() -> None:
    told = json.loads(refault("mine", "--from", "old", "--to", "new", "--limit", "1", "--json", "-").stdout)
    (one,) = told["candidates"]
    assert (told["from"], told["to"], told["changed"], one["rank"]) == ("old", "new", 5, 1)
    assert told["found"] >= 2 and one["function"] == "gather_kernel" and "int64" in one["reasons"]
    assert one["revert"] == {"edits": 1, "exact": True, "why": ""}


def test_a_folder_is_chosen() -> None:
    told = refault("mine", "--from", "old", "--to", "new", "--folder", "kernels").stdout
    assert "gather_kernel" in told and "Pool.pages" not in told


def test_a_patch_of_a_candidate_makes_a_draft() -> None:
    refault("mine", "--from", "old", "--to", "new", "--patches", "found")
    told = refault("new", "7", "--patch", "found/01-gather_kernel.patch", "--sglang", "new").stdout
    assert told.startswith("pr7_gather_kernel.py: 1 edit undoes the patch")


def test_bad_input_is_named() -> None:
    wanted = {
        ("--from", "old"): "give two releases",
        ("--from", "old", "--to", "old"): "no Python file of srt.* differs",
        ("--from", "old", "--to", "new", "--checkout", "."): "give two releases",
        ("--from", "old", "--to", "new", "--folder", "nowhere"): "--folder nowhere: sglang has no such",
        ("--from", "old", "--to", "new", "--patches", "gone/away"): "gone/away: cannot be made",
        ("--from", "nothing", "--to", "new"): "'nothing' is no such path",
        ("--checkout", ".", "--commits", "HEAD"): "HEAD: is no range",
    }
    for words, problem in wanted.items():
        with pytest.raises(BadInput, match=problem):
            refault("mine", *words)


def test_commits_are_looked_at_one_by_one(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "-q")
    for name, title in (("old", "Begin"), ("new", "Slots are 64 bits wide")):
        shutil.rmtree(clone / "python", ignore_errors=True)
        shutil.copytree(tmp_path / name / "sglang", clone / "python/sglang")
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", title)
    told = refault("mine", "--checkout", "clone", "--commits", "HEAD~1..HEAD", "--json", "-").stdout
    first = json.loads(told)["candidates"][0]
    assert first["function"] == "gather_kernel" and first["revert"]["edits"] == 1
    assert first["title"].endswith("Slots are 64 bits wide") and len(first["commit"]) == 40


def git(clone: Path, *words: str) -> None:
    own = ("-c", "user.name=toy", "-c", "user.email=toy@example.org")
    subprocess.run(["git", "-C", str(clone), *own, *words], check=True, capture_output=True)
