"""Reverts: planned, applied as a cheap copy, told when stale."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInput, FixAbsent, StaleRevert
from harness.facts import Edit, Revert, edit, form
from harness.source.revert import Reverted, apply, diff, expected, plan
from harness.source.tree import Tree, at
from harness.tests.source import toy

FEWER = edit(in_function="pages", replace="count = ANY", by="count = tokens // page_size")
UNCHECKED = edit(in_function="pages", remove="check(...)")
REVERT = Revert(FEWER, UNCHECKED)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def python(root: Path, code: str) -> str:
    command = [sys.executable, "-B", "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


# --- plan ----------------------------------------------------------------------------------


def test_plan_names_what_it_edits(tree: Tree) -> None:
    planned = plan(tree, REVERT)
    assert (planned.form, planned.edits) == (1, (FEWER, UNCHECKED))
    assert planned.modules == ("toy.ops.kernels",) and planned.functions == ("pages",)
    assert list(planned.files) == ["toy/ops/kernels.py"]


def test_diff_shows_the_edited_lines_only(tree: Tree) -> None:
    lines = diff(plan(tree, REVERT)).splitlines()
    assert lines[:2] == ["--- fixed/toy/ops/kernels.py", "+++ reverted/toy/ops/kernels.py"]
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-    count = (tokens + page_size - 1) // page_size  # the fix",
        '-    check(count, "pages", limit=1_000)',
        "+    count = tokens // page_size  # the fix",
    ]


EVERY_SORT = [
    ("pages", "16 // 2", "16"),
    ("store", "value > 0", "True"),
    ("width", "n + 1", "n"),
    ("twice.outer", "2", "3"),
    ("twice", "function(...) * 2", "function(*args)"),
    ("Pool.__init__", "size + 1", "size"),
    ("Pool.take", "if n == 0: ...", ""),
    ("Pool.take", "self.last = n", "self.last = 0"),
    ("Pool.align", "-(-n // 4) * 4", "n"),
    ("Pool.of", "k + 1", "k"),
    ("Pool.of.inner", "k + 1", "k"),
    ("Pool.drain", "self.free = ANY", ""),
    ("Batch.total", "sum(...)", "0"),
]


@pytest.mark.parametrize(("function", "pattern", "by"), EVERY_SORT)
def test_every_sort_of_function_can_be_edited(tree: Tree, function: str, pattern: str, by: str) -> None:
    files = plan(tree, Revert(Edit(function, pattern, by))).files
    compile(files["toy/ops/kernels.py"], "kernels", "exec")
    removed = [
        line for line in diff(plan(tree, Revert(Edit(function, pattern, by)))).splitlines() if line[0] == "-"
    ]
    assert 2 <= len(removed) <= 5  # the head, and the piece


def test_the_one_form_that_fits_is_taken(tree: Tree) -> None:
    old = form(edit(in_function="pages_needed", remove="check(...)"))
    older = form(edit(in_function="pages", remove="verify(...)"), UNCHECKED)
    assert plan(tree, Revert(old, older, form(FEWER))).form == 3


def test_stale_tells_what_was_sought_how_often_it_was_found_and_what_is_near(tree: Tree) -> None:
    revert = Revert(edit(in_function="pages", remove="check(counts,\n  'pages', 7)"))
    with pytest.raises(StaleRevert) as caught:
        plan(tree, revert)
    assert "toy 1.2.3: pages: `check(counts, 'pages', 7)` found 0 times" in caught.value.looked_for
    assert caught.value.candidates[0] == "kernels.py:26 `check(count, 'pages', limit=1000)`"


def test_stale_names_near_functions_where_the_function_is_missing(tree: Tree) -> None:
    with pytest.raises(StaleRevert, match=r"no function Poll\.take; nearest: Pool\.take"):
        plan(tree, Revert(edit(in_function="Poll.take", remove="check(...)")))


def test_stale_counts_every_form(tree: Tree) -> None:
    absent, doubled = (
        edit(in_function="pages", remove="gone(...)"),
        edit(in_function="Pool.take", remove="self.free"),
    )
    with pytest.raises(
        StaleRevert, match=r"form 1: pages: .*0 times; form 2: Pool\.take: `self\.free` found 4 times"
    ):
        plan(tree, Revert(form(absent, FEWER), form(doubled)))


def test_stale_if_two_forms_match(tree: Tree) -> None:
    with pytest.raises(StaleRevert, match="forms 1 and 3 of 3 all match"):
        plan(tree, Revert(form(FEWER), form(edit(in_function="gone", remove="x")), form(UNCHECKED)))


def test_stale_if_the_statement_stands_twice_in_the_function(tree: Tree) -> None:
    doubled = toy.KERNELS.replace("limit=1_000)\n", 'limit=1_000)\n    check(count, "pages", limit=1_000)\n')
    (tree.folder / "ops" / "kernels.py").write_text(doubled)
    with pytest.raises(StaleRevert, match="found 2 times"):
        plan(replace(tree), REVERT)


def test_stale_if_a_function_of_that_name_elsewhere_matches_too(tree: Tree) -> None:
    revert = Revert(edit(in_function="pages", replace="tokens", by="0"))
    (tree.folder / "ops" / "kernels.py").write_text("def pages(tokens):\n    return tokens\n")
    assert plan(replace(tree), revert).modules == ("toy.ops.kernels",)
    (tree.folder / "plain.py").write_text(toy.OTHER)
    with pytest.raises(StaleRevert, match="found 2 times"):
        plan(replace(tree), revert)


def test_a_like_named_function_without_the_code_does_not_disturb(tree: Tree) -> None:
    (tree.folder / "plain.py").write_text(toy.OTHER)
    assert plan(replace(tree), REVERT).modules == ("toy.ops.kernels",)


def test_stale_if_nothing_would_change(tree: Tree) -> None:
    undone = toy.KERNELS.replace("(tokens + page_size - 1) // page_size", "(tokens // page_size)")
    (tree.folder / "ops" / "kernels.py").write_text(undone)
    with pytest.raises(StaleRevert, match=r"changes nothing in toy 1\.2\.3"):
        plan(replace(tree), Revert(FEWER))


def test_stale_if_the_outcome_is_no_python(tree: Tree) -> None:
    (tree.folder / "ops" / "kernels.py").write_text("def pages(n):\n    x = n\n")
    with pytest.raises(
        StaleRevert, match=r"the edits make no Python of kernels\.py: .*cannot assign to literal"
    ):
        plan(replace(tree), Revert(edit(in_function="pages", replace="x", by="1")))


# --- what is attested ----------------------------------------------------------------------


def test_expected_is_the_hash_of_the_files_in_either_tree(tree: Tree, tmp_path: Path) -> None:
    reverted = apply(tree, REVERT, tmp_path / "cache").tree
    for each in (tree, reverted):
        data = (each.root / "toy/ops/kernels.py").read_bytes()
        assert expected(each, REVERT.functions) == {"toy.ops.kernels": hashlib.sha256(data).hexdigest()}
    assert expected(tree, REVERT.functions) != expected(reverted, REVERT.functions)


def test_expected_needs_one_of_the_functions_only(tree: Tree) -> None:
    assert list(expected(tree, ("gone", "Pool.take"))) == ["toy.ops.kernels"]
    with pytest.raises(StaleRevert, match=r"no function gone or Poll\.take"):
        expected(tree, ("gone", "Poll.take"))


# --- apply ---------------------------------------------------------------------------------


@pytest.fixture
def reverted(tree: Tree, tmp_path: Path) -> Reverted:
    return apply(tree, REVERT, tmp_path / "cache")


def test_the_copy_is_links_but_for_the_edited_file(tree: Tree, reverted: Reverted) -> None:
    real = [p for p in reverted.tree.root.rglob("*") if p.is_file() and not p.is_symlink()]
    assert [str(p.relative_to(reverted.tree.root)) for p in real] == ["toy/ops/kernels.py"]
    assert (reverted.tree.folder / "data").readlink() == tree.folder / "data"
    assert (reverted.tree.origin, reverted.tree.version) == ("reverted", "1.2.3")
    assert reverted.tree.content_hash not in ("", tree.content_hash)
    assert sorted(reverted.tree.files()) == sorted(tree.files())


def test_importing_the_copy_runs_the_revert_and_leaves_the_original_alone(
    tree: Tree, reverted: Reverted
) -> None:
    before = bytes_of(tree.root)
    code = (
        "import toy.plain, toy.ops.kernels as k, inspect\n"
        "print(k.pages(9), inspect.getsource(k.pages).count('check'))"
    )
    assert python(tree.root, code) == "2 1"
    assert python(reverted.tree.root, code) == "1 0"
    assert bytes_of(tree.root) == before


ABSENT = {
    "no function of that name": [Revert(edit(in_function="Pool.shrink", remove="pass"))],
    "nothing of one edit": [Revert(FEWER, edit(in_function="Pool.take", remove="assert_fits(...)"))],
    "nothing of either form": [
        Revert(
            form(edit(in_function="Pool.shrink", remove="pass")),
            form(edit(in_function="nowhere", remove="pass")),
        )
    ],
    "nothing that is to be undone": [
        Revert(edit(in_function=FEWER.in_function, replace=FEWER.by, by=FEWER.by))
    ],
}


@pytest.mark.parametrize("why", ABSENT)
def test_a_fix_that_is_not_there_is_told_apart(tree: Tree, why: str) -> None:
    if why == "nothing that is to be undone":
        tree = apply(tree, Revert(FEWER), tree.root.parent / "cache").tree
    for one in ABSENT[why]:
        with pytest.raises(FixAbsent):
            plan(tree, one)


def test_a_fix_that_is_there_twice_or_in_two_forms_is_not_absent(tree: Tree) -> None:
    both = Revert(form(FEWER), form(UNCHECKED))
    with pytest.raises(StaleRevert) as raised:
        plan(tree, both)
    assert not isinstance(raised.value, FixAbsent)


def test_a_file_that_cannot_be_searched_may_hold_the_fix(tree: Tree) -> None:
    (tree.folder / "broken.py").write_text("class Pool:\n    def shrink(self):\n  pass\n")
    with pytest.raises(StaleRevert) as raised:
        plan(replace(tree), Revert(edit(in_function="Pool.shrink", remove="pass")))
    assert not isinstance(raised.value, FixAbsent)


def test_bytecode_of_the_original_is_not_linked(tree: Tree, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(tree.folder)], check=True)
    copy = apply(tree, REVERT, tmp_path / "cache").tree
    assert not (copy.folder / "__pycache__").exists() and not (copy.folder / "ops" / "__pycache__").exists()
    assert python(copy.root, "import toy.ops.kernels as k; print(k.pages(9))") == "1"


def test_metadata_beside_the_package_comes_along(tree: Tree, tmp_path: Path) -> None:
    (tree.root / "toy-1.2.3.dist-info").mkdir()
    (tree.root / "toy-1.2.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy\nVersion: 1.2.3\n"
    )
    copy = apply(tree, REVERT, tmp_path / "cache").tree
    assert python(copy.root, "import importlib.metadata as m; print(m.version('toy'))") == "1.2.3"


def test_applying_again_takes_the_copy_that_is_there(tree: Tree, reverted: Reverted, tmp_path: Path) -> None:
    before = reverted.tree.root.stat().st_ino
    again = apply(replace(tree), REVERT, tmp_path / "cache")
    assert again == reverted and again.tree.root.stat().st_ino == before


def test_other_edits_or_other_content_make_another_copy(
    tree: Tree, reverted: Reverted, tmp_path: Path
) -> None:
    other = apply(tree, Revert(FEWER), tmp_path / "cache")
    (tree.folder / "plain.py").write_text("NUMBER = 8\n")
    changed = apply(replace(tree), REVERT, tmp_path / "cache")
    assert len({reverted.tree.root, other.tree.root, changed.tree.root}) == 3


def damage(kind: str, root: Path) -> None:
    edited = root / "toy" / "ops" / "kernels.py"
    if kind == "edited file changed":
        edited.write_text("pass\n")
    elif kind == "edited file is the original":
        edited.unlink()
        edited.symlink_to(root / "toy" / "ops" / "__init__.py")
    elif kind == "a link is gone":
        (root / "toy" / "data").unlink()
    elif kind == "a link dangles":
        (root / "toy" / "plain.py").unlink()
        (root / "toy" / "plain.py").symlink_to(root / "nowhere")
    elif kind == "a file too many":
        (root / "toy" / "ops" / "shadow.py").write_text("")
    else:
        shutil.rmtree(root / "toy")


DAMAGES = [
    "edited file changed", "edited file is the original", "a link is gone", "a link dangles",
    "a file too many", "everything is gone",
]  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_copy_is_made_anew(tree: Tree, reverted: Reverted, tmp_path: Path, kind: str) -> None:
    whole = reverted.tree.content_hash
    damage(kind, reverted.tree.root)
    again = apply(tree, REVERT, tmp_path / "cache").tree
    assert again.root == reverted.tree.root and replace(again).content_hash == whole
    assert not (again.folder / "ops" / "shadow.py").exists()


def test_a_copy_whose_original_moved_is_not_used(tree: Tree, reverted: Reverted, tmp_path: Path) -> None:
    moved = tree.root.rename(tmp_path / "moved")
    again = apply(at(moved, "toy"), REVERT, tmp_path / "cache").tree
    assert again.root != reverted.tree.root and again.content_hash == replace(again).content_hash
    assert (again.folder / "plain.py").read_text() == "NUMBER = 7\n"


def test_what_a_killed_run_left_half_made_is_cleared(tree: Tree, tmp_path: Path) -> None:
    half = tmp_path / "cache" / ".unfinished-abc" / "toy"
    half.mkdir(parents=True)
    apply(tree, REVERT, tmp_path / "cache")
    assert not half.parent.exists()


def test_a_revert_of_a_revert(tree: Tree, tmp_path: Path) -> None:
    once = apply(tree, Revert(FEWER), tmp_path / "cache").tree
    both = apply(once, Revert(UNCHECKED), tmp_path / "cache").tree
    assert both.content_hash == apply(tree, REVERT, tmp_path / "cache").tree.content_hash


def test_two_runs_at_once_make_one_copy(tree: Tree, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.source import tree, revert\n"
        "from harness.tests.source.test_revert import REVERT\n"
        "print(revert.apply(tree.at(sys.argv[1], 'toy'), REVERT, Path(sys.argv[2])).tree.content_hash)"
    )
    command = [sys.executable, "-c", code, str(tree.root), str(tmp_path / "cache")]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    hashes = [run.communicate()[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0] and len(set(hashes)) == 1
    assert [p.name[:4] for p in (tmp_path / "cache").iterdir() if p.name != ".lock"] == ["toy-"]


def test_a_run_waits_while_another_works_on_the_cache(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with ThreadPoolExecutor() as pool, open(tmp_path / "cache" / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = pool.submit(apply, tree, REVERT, tmp_path / "cache")
        assert not wait([made], timeout=0.3).done
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert made.result(timeout=30).tree.root.is_dir()


def test_a_cache_that_cannot_be_written_is_bad_input(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file cannot hold a reverted tree .*: name a folder"):
        apply(tree, REVERT, tmp_path / "file")


EDITS = [FEWER, UNCHECKED, edit(in_function="Pool.take", remove="if n == 0: ..."),
         edit(in_function="Batch.total", replace="sum(...)", by="0")]  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(EDITS), min_size=1, unique=True))
def test_applying_is_idempotent_and_the_order_of_edits_does_not_matter(edits: list) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder:
        tree = at(toy.write(Path(folder) / "up"), "toy")
        first, again, turned = (
            apply(tree, Revert(*order), Path(folder) / "cache").tree for order in (edits, edits, edits[::-1])
        )
        assert first == again and first.content_hash == turned.content_hash != tree.content_hash
