"""Trees that are none, and trees with files that are no files or no Python."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.bisect.commits import Commits
from harness.documents.schema import validate
from harness.draft import patch
from harness.errors import BadInput
from harness.facts import Tier
from harness.models import make
from harness.source import kernels
from harness.source.branch import branch
from harness.source.tree import at
from harness.suite import Request, Suite
from harness.tests.toyland import checkout, upstream
from harness.tests.toyland.bench import Bench, bug
from harness.verdict import Result, Verdict

STRAY = bug("pr101_stray_store")
Make = Callable[[Path], str]


# --- what is given in place of a tree -------------------------------------------------------


def toy(folder: Path) -> Path:
    return upstream.write(folder / "toy")


def fifo(folder: Path) -> str:
    os.mkfifo(folder / "tree")
    return str(folder / "tree")


def file(folder: Path) -> str:
    (folder / "tree").write_text("")
    return str(folder / "tree")


def loop(folder: Path) -> str:
    (folder / "tree").symlink_to(folder / "tree")
    return str(folder / "tree")


def dangling(folder: Path) -> str:
    (folder / "tree").symlink_to(folder / "gone")
    return str(folder / "tree")


def no_init(folder: Path) -> str:
    (folder / "sglang").mkdir()
    return str(folder)


def init_is_a_fifo(folder: Path) -> str:
    (folder / "sglang").mkdir()
    os.mkfifo(folder / "sglang" / "__init__.py")
    return str(folder)


def terabyte(name: str) -> Make:
    def made(folder: Path) -> str:
        with open(toy(folder) / "sglang" / name, "wb") as sparse:
            sparse.truncate(1 << 40)
        return str(folder / "toy")

    return made


def deep(folder: Path) -> str:
    (toy(folder) / "sglang" / "/".join("d" * 200)).mkdir(parents=True)
    return str(folder / "toy")


def endless(folder: Path) -> str:
    """Twenty folders with two links each to the next: a million folders of forty entries."""
    root = toy(folder) / "sglang"
    for number in range(20):
        (root / f"f{number}").mkdir()
        for link in "ab":
            (root / f"f{number}" / link).symlink_to(root / f"f{number + 1}")
    (root / "f20").mkdir()
    return str(folder / "toy")


def bytecode(folder: Path) -> str:
    (toy(folder) / "sglang" / "more.pyc").write_bytes(b"")
    return str(folder / "toy")


REFUSED: dict[str, tuple[Make, str]] = {
    "fifo": (fifo, "tree is no folder"),
    "device": (lambda folder: "/dev/zero", "/dev/zero is no folder"),
    "file": (file, "tree is no folder"),
    "empty folder": (lambda folder: str(folder), "holds no sglang/"),
    "link to itself": (loop, "tree is no folder"),
    "link to nowhere": (dangling, "tree is no folder"),
    "package without an __init__": (no_init, "without an __init__.py"),
    "__init__ that is a fifo": (init_is_a_fifo, "without an __init__.py"),
    "nothing": (lambda folder: str(folder / "gone"), "is no such path"),
    "very long name": (lambda folder: "x" * 5000, "is no such path"),
    "very long path": (lambda folder: "x/" * 5000, "is no such path"),
    "name that a terminal obeys": (lambda folder: "\x1b[2J\u202e", r"\x1b[2J\u202e"),
    "name of two lines": (lambda folder: "a\nb", r"a\nb"),
    "source of a terabyte": (terabyte("pages.py"), "pages.py: has more than 16777216 bytes"),
    "data of a terabyte": (terabyte("table.json"), "holds more than 100000 entries or 2 GiB"),
    "version of a terabyte": (terabyte("version.py"), "version.py: has more than 16777216 bytes"),
    "folders without end": (deep, "lies deeper than 64 folders"),
    "links without end": (endless, "holds more than 100000 entries or 2 GiB"),
    "bytecode": (bytecode, "more.pyc: is bytecode in place of a source"),
}


def test_what_is_no_tree_is_refused_in_one_line(tmp_path: Path) -> None:
    toys = checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ["pr101_stray_store"])
    given = []
    for number, (made, _) in enumerate(REFUSED.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        given.append(made(folder))
    begun = time.monotonic()
    ended = toys.refault_each([["show", "101", "--sglang", path] for path in given])
    assert time.monotonic() - begun < 100
    for (name, (_, told)), done in zip(REFUSED.items(), ended, strict=True):
        assert (done.returncode, done.stdout) == (2, ""), (name, done)
        (line,) = done.stderr.splitlines()
        assert line.startswith("refault: ") and told in line and line.isprintable(), (name, line)


def test_so_is_a_folder_that_can_be_entered_and_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = toy(tmp_path) / "sglang" / "hidden"
    hidden.mkdir()
    ask = os.scandir

    def denied(path: str) -> Any:
        if Path(path) == hidden:
            raise PermissionError(13, "Permission denied")
        return ask(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(BadInput, match=r"hidden/: cannot be listed \(Permission denied\): remove it"):
        at(tmp_path / "toy").content_hash  # noqa: B018
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != hidden)
    assert dict(at(tmp_path / "toy").broken) == {"hidden/": "cannot be listed (Permission denied)"}


# --- one broken file ------------------------------------------------------------------------


@dataclass(frozen=True)
class Broken:
    """What stands in place of a file of the tree, and what comes of a case that needs `pages.py` alone."""

    put: Callable[[Path], None]
    where: str = "spare.py"
    verdict: Verdict = Verdict.UNRECORDED
    says: str = ""


def text(data: bytes) -> Callable[[Path], None]:
    return lambda path: _put(path, data)


def _put(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


MENTIONS = b"def build_table(tokens, page_size):\n    numel = pages * page_size\n"
BROKEN = {
    "no Python": Broken(text(b"def broken(:\n")),
    "no Python, with the function's name": Broken(text(MENTIONS + b"  return (\n")),
    "null bytes": Broken(text(MENTIONS + b"\0\n")),
    "no UTF-8": Broken(text(b'x = "\xff"\n')),
    "no UTF-8 beside the function's name": Broken(
        text(MENTIONS + b"# \xff\n"), verdict=Verdict.STALE, says="spare.py cannot be parsed ('utf-8' codec"
    ),
    "nested brackets": Broken(text(MENTIONS + b"x = " + b"(" * 100_000 + b")" * 100_000 + b"\n")),
    "nested signs": Broken(text(MENTIONS + b"x = " + b"-" * 100_000 + b"1\n")),
    "nested sums": Broken(text(MENTIONS + b"x = " + b"1+" * 50_000 + b"1\n")),
    "endless branches": Broken(text(MENTIONS + b"if 0: 0\n" + b"elif 0: 0\n" * 5_000)),
    "link to nowhere": Broken(link("gone.py")),
    "link to itself": Broken(link("spare.py")),
    "link to a device": Broken(link("/dev/zero")),
    "link to a folder above": Broken(link(".."), "data"),
    "fifo": Broken(os.mkfifo),
    "name that a terminal obeys": Broken(text(b""), "\x1b[2J\u202e.py"),
    "name that is no UTF-8": Broken(text(b""), os.fsdecode(b"\xff.py")),
    "the edited file is no Python": Broken(
        text(b"def build_table(:\n"), "pages.py", Verdict.UNRESOLVED, "pages.py is no Python 3"
    ),
    "the edited file has null bytes": Broken(
        text(MENTIONS + b"\0"), "pages.py", Verdict.UNRESOLVED, "pages.py is no Python 3"
    ),
    "the edited file is nested deeply": Broken(
        text(MENTIONS + b"x = " + b"-" * 100_000 + b"1\n"),
        "pages.py", Verdict.UNRESOLVED, "it is nested too deeply",
    ),
    "the edited file dangles": Broken(
        link("gone.py"), "pages.py", Verdict.UNRESOLVED, "sglang/pages.py leads nowhere"
    ),
    "the edited file is a fifo": Broken(
        os.mkfifo, "pages.py", Verdict.UNRESOLVED, "sglang/pages.py is a FIFO"
    ),
}  # fmt: skip


DAMAGED = BROKEN["the edited file is no Python"]


def damaged(folder: Path, broken: Broken) -> Path:
    path = upstream.write(folder) / "sglang" / broken.where
    path.unlink(missing_ok=True)
    broken.put(path)
    return folder


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_fails_what_needs_it_and_nothing_else(fresh: Bench, name: str) -> None:
    broken = BROKEN[name]
    result = replace(fresh, tree=at(damaged(fresh.folder / "damaged", broken))).judge(STRAY).result
    assert result.verdict is broken.verdict, result.reason
    assert broken.says in result.reason and result.reason.isprintable()


def test_a_revert_s_own_file_that_is_no_python_leaves_the_other_cases_their_verdicts(fresh: Bench) -> None:
    """Two cases of one run: the file of one is broken, the other's is not."""
    root = upstream.write(fresh.folder / "halves")
    pages = (root / "sglang" / "pages.py").read_text()
    cut = pages.index("class Pointers")
    (root / "sglang" / "pointers.py").write_text("def broken(:\n" + pages[cut:])
    (root / "sglang" / "pages.py").write_text(pages[:cut])
    setting = replace(fresh, tree=at(root)).setting
    with Suite(setting, pool=fresh.pool) as suite:
        requests = [Request(reproducer=one, tier=Tier.KERNEL) for one in (STRAY, bug("pr104_short_indptr"))]
        found: dict[str, Result] = {one.result.reproducer: one.result for one in suite.run(requests)}
    assert found["pr101_stray_store"].verdict is Verdict.UNRECORDED
    other = found["pr104_short_indptr"]
    assert other.verdict is Verdict.UNRESOLVED and "pointers.py is no Python 3" in other.reason


def test_a_run_names_what_is_broken_and_its_json_lists_it(tmp_path: Path, cache: Path) -> None:
    toys = checkout.lay_out(tmp_path / "checkout", cache, ["pr101_stray_store"])
    root = damaged(tmp_path / "damaged", BROKEN["link to nowhere"])
    for number in range(4):
        os.mkfifo(root / "sglang" / f"{number}.json")
    done = toys.refault("run", "101", "--sglang", str(root), "--json", "-")
    found = json.loads(done.stdout)
    assert found["sglang"]["broken"]["spare.py"] == "leads nowhere (No such file or directory)"
    assert len(found["sglang"]["broken"]) == 5 and not validate(found)
    assert [one["verdict"] for one in found["results"]] == ["UNRECORDED"]
    told = done.stderr.splitlines()
    assert "refault: sglang/0.json is a FIFO: what needs it cannot run" in told
    assert "refault: and 2 more files of the tree are like that" in told


def test_a_release_that_cannot_be_searched_is_no_release_without_the_bug(fresh: Bench) -> None:
    from harness.matrix import Status, published

    setting = replace(fresh, tree=at(damaged(fresh.folder / "damaged", DAMAGED))).setting
    (cell,) = published(setting.tree, STRAY, setting, fresh.pool)
    assert cell.status is Status.UNRESOLVED and "pages.py is no Python 3" in cell.reason


def test_what_is_broken_is_part_of_the_hash(tmp_path: Path) -> None:
    hashes = {
        at(damaged(tmp_path / str(number), broken)).content_hash
        for number, broken in enumerate(BROKEN.values())
    }
    assert len(hashes) == len(BROKEN)


def test_a_scan_for_kernels_names_what_is_no_python(tmp_path: Path) -> None:
    from collections import Counter

    tree, left_out = at(upstream.write(tmp_path)), Counter[str]()
    (tree.folder / "odd.py").write_text("@triton.jit\ndef broken(:\n")
    named = kernels.modules(tree)
    list(kernels.integer_kernels(tree, named, left_out))
    assert any("odd.py is no Python 3" in why for why in left_out)


def test_what_a_tree_says_reaches_a_terminal_in_plain_characters(tmp_path: Path) -> None:
    toys = checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", ["pr101_stray_store"])
    old = "    numel = pages * page_size\n"
    root = upstream.write(tmp_path / "toy", upstream.altered(old, f"    # \x1b[2J \u202e\n{old}"))
    (root / "sglang" / "version.py").write_text('__version__ = "9\x1b[2J"\n')
    assert at(root).version is None
    (done,) = toys.refault_each([["show", "101", "--sglang", str(root)]])
    assert done.returncode == 0 and r"# \x1b[2J \u202e" in done.stdout
    assert all(line.isprintable() for line in done.stdout.splitlines())


# --- clones, patches, models ----------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    root = upstream.write(tmp_path / "clone")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one \x1b[2J\u202e line"]):
        git(root, *words)
    return root


def git(root: Path, *words: str) -> str:
    named = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", root, *named, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commits(clone: Path, tmp_path: Path) -> Commits:
    return Commits(clone, tmp_path / "commits")


def test_a_cached_commit_that_somebody_edited_is_taken_out_again(clone: Path, tmp_path: Path) -> None:
    head = git(clone, "rev-parse", "HEAD")
    tree = commits(clone, tmp_path).tree(head)
    whole = tree.content_hash
    (tree.folder / "pages.py").write_text("edited\n")
    assert commits(clone, tmp_path).tree(head).content_hash == whole
    (tree.folder / "late.pyc").write_bytes(b"")
    assert commits(clone, tmp_path).tree(head).content_hash == whole
    assert not (tree.folder / "late.pyc").exists()


def test_a_title_is_one_line_that_a_terminal_does_not_obey(clone: Path, tmp_path: Path) -> None:
    title = commits(clone, tmp_path).title(git(clone, "rev-parse", "HEAD"))
    assert title.isprintable() and r"one \x1b[2J\u202e line" in title


def test_a_commit_with_a_link_that_leads_outside_is_one_line(clone: Path, tmp_path: Path) -> None:
    (clone / "sglang" / "spare.py").unlink()
    (clone / "sglang" / "spare.py").symlink_to("/etc/passwd")
    git(clone, "commit", "-qam", "two")
    head = git(clone, "rev-parse", "HEAD")
    with pytest.raises(BadInput, match=r"cannot be taken out .* give other commits") as caught:
        commits(clone, tmp_path).tree(head)
    assert "\n" not in str(caught.value) and not list((tmp_path / "commits").iterdir())


@pytest.mark.parametrize("name", ["--upload-pack=evil", "\x1b[2J", "HEAD~99", "x" * 5000])
def test_a_name_of_no_commit_is_one_line(clone: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="is no commit of") as caught:
        commits(clone, tmp_path).line(name, "HEAD")
    assert str(caught.value).isprintable()


def test_a_clone_s_settings_run_nothing(clone: Path, tmp_path: Path) -> None:
    for setting in ("core.fsmonitor", "core.pager", "tar.tar.command", "gpg.program"):
        git(clone, "config", setting, f"touch {tmp_path}/ran; false")
    git(clone, "config", "log.showSignature", "true")
    head = git(clone, "rev-parse", "HEAD")
    assert commits(clone, tmp_path).tree(head).version == upstream.VERSION
    assert commits(clone, tmp_path).title(head) and not (tmp_path / "ran").exists()


HEADS: dict[str, Callable[[Path], None]] = {
    "fifo": lambda git: os.mkfifo(git / "HEAD"),
    "noise": lambda git: _put(git / "HEAD", b"\xff\xfe"),
    "a terabyte": lambda git: os.truncate(git / "HEAD", 1 << 40),
    "a folder": lambda git: (git / "HEAD").mkdir(),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_clone_whose_head_is_none_is_of_no_branch(clone: Path, name: str) -> None:
    if name != "a terabyte":
        (clone / ".git" / "HEAD").unlink()
    HEADS[name](clone / ".git")
    assert branch(at(clone)) is None


DIFF = "--- a/sglang/{name}\n+++ b/sglang/{name}\n@@ -1 +1 @@\n-a\n+b\n"
PATCHES: dict[str, tuple[bytes | None, str]] = {
    "fifo": (None, "is a FIFO"),
    "null bytes": (b"\0\0\0", "holds no change of a file"),
    "no UTF-8": (b"\xff\xfe", "holds no change of a file"),
    "cut hunk": (b"--- a/sglang/x.py\n+++ b/sglang/x.py\n@@ -1,5 +1,5 @@\n-a\n", "is no unified diff"),
    "endless hunk": (
        b"--- a/sglang/x.py\n+++ b/sglang/x.py\n@@ -1,99999999999999999999 +1 @@\n-a\n",
        "is no unified diff",
    ),
    "too large": (b"-" * (5 << 20), "has more than 4194304 bytes"),
    "empty": (b"", "holds no change of a file"),
}  # fmt: skip


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_that_is_none_is_one_line(tmp_path: Path, name: str) -> None:
    data, told = PATCHES[name]
    path = tmp_path / "fix.patch"
    os.mkfifo(path) if data is None else path.write_bytes(data)
    with pytest.raises(BadInput) as caught:
        patch.read(path)
    assert told in str(caught.value) and str(caught.value).isprintable()


def test_a_model_in_the_cache_that_somebody_edited_is_made_again(tmp_path: Path) -> None:
    weights = make("tiny-llama", tmp_path).path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"\1")
    (weights.parent / "modeling.py").write_text("raise SystemExit(7)\n")
    assert make("tiny-llama", tmp_path).path == weights.parent and weights.read_bytes() == whole
    assert not (weights.parent / "modeling.py").exists()
    assert [path.name for path in tmp_path.iterdir()] == [weights.parent.name]
