"""`refault new`, as a user types it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import catalogue, homes
from harness.cli import app
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.facts import Reproducer
from harness.homes import Home
from harness.source.tree import Tree
from harness.tests.draft.samples import BEFORE, PAGES, PATCH, TABLE, write


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "toy")
    (tmp_path / "fix.patch").write_text(PATCH)


def refault(*words: str) -> Result:
    done = CliRunner().invoke(app, ("new", *words), standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_a_draft_is_written() -> None:
    told = refault("7", "--patch", "fix.patch", "--sglang", "toy").stdout
    assert told.startswith("pr7_grow.py: 6 edits undo the patch\n")
    text = Path("pr7_grow.py").read_text(encoding="utf-8")
    assert "proven to undo it in sglang 9.9.8, to the very syntax it had before" in text
    compile(text, "pr7_grow.py", "exec")


def test_in_a_checkout_a_draft_goes_where_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reproducers"
    folder.mkdir()
    monkeypatch.setattr(homes, "own", lambda: Home(package="reproducers", folder=folder))
    told = refault("7", "--patch", "fix.patch", "--sglang", "toy").stdout
    assert told.startswith("reproducers/pr7_grow.py: 6 edits") and "put it into" not in told
    assert (folder / "pr7_grow.py").is_file()


def test_elsewhere_a_draft_goes_into_the_current_folder_and_says_where_it_belongs() -> None:
    told = refault("7", "--patch", "fix.patch", "--sglang", "toy").stdout
    assert told.startswith("pr7_grow.py: ") and "next: put it into reproducers/, fill in" in told


def test_a_draft_says_how_wrong_values_are_shown() -> None:
    refault("7", "--patch", "fix.patch", "--sglang", "toy")
    text = Path("pr7_grow.py").read_text(encoding="utf-8")
    assert 'watch("wrong-value")' in text and "reference=expected" in text and "tolerance=Tolerance(" in text


def test_a_number_that_has_a_reproducer_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "acme_bugs").mkdir()
    words = ("--patch", "fix.patch", "--sglang", "toy", "--reproducers", "acme_bugs")
    assert "warning" not in refault("7", *words).stdout
    told = refault("7", *words[:4], "--output", "acme_bugs/pr7_again.py").stdout
    assert "warning" not in told  # that folder was not named
    Path("acme_bugs/pr7_again.py").rename("acme_bugs/issue7_other.py")
    Path("acme_bugs/pr7_grow.py").unlink()
    told = refault("7", *words).stdout
    assert "warning: 7 has a reproducer already: " in told and "acme_bugs/issue7_other.py: see that" in told
    assert "pr24587_aiter" in refault("24587", *words).stdout


def test_a_draft_goes_into_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "acme_bugs").mkdir()
    told = refault("7", "--patch", "fix.patch", "--sglang", "toy", "--reproducers", "acme_bugs").stdout
    assert told.startswith("acme_bugs/pr7_grow.py: 6 edits") and "put it into reproducers/" not in told
    assert "`refault show 7 --reproducers acme_bugs` and `refault repro 7 --reproducers acme_bugs`" in told
    known = catalogue.read([tmp_path / "acme_bugs"])
    assert catalogue.find("7", known.subjects).module == "acme_bugs.pr7_grow"


def test_a_draft_goes_to_one_place_that_is_there() -> None:
    common = ("7", "--patch", "fix.patch", "--sglang", "toy", "--reproducers", "gone")
    with pytest.raises(BadInput, match=r"gone/pr7_grow\.py: cannot be written \(No such file"):
        refault(*common)
    with pytest.raises(BadInput, match=r"--output mine\.py: the draft goes into gone: leave one"):
        refault(*common, "--output", "mine.py")


def test_nothing_is_overwritten() -> None:
    Path("mine.py").write_text("mine", encoding="utf-8")
    with pytest.raises(BadInput, match=r"mine\.py is there already"):
        refault("7", "--patch", "fix.patch", "--sglang", "toy", "--output", "mine.py")
    assert Path("mine.py").read_text(encoding="utf-8") == "mine"


def test_what_leaves_the_package_is_left_out_and_told() -> None:
    Path("fix.patch").write_text(
        PATCH.replace("python/sglang/pages.py", "test/test_pages.py"), encoding="utf-8"
    )
    told = refault("7", "--patch", "fix.patch", "--sglang", "toy").stdout
    assert "note: test/test_pages.py is no code of the package: left out" in told


def test_a_patch_comes_from_standard_input() -> None:
    words = ("new", "7", "--patch", "-", "--sglang", "toy")
    done = CliRunner().invoke(app, words, input=PATCH.encode(), standalone_mode=False)
    assert done.exception is None and Path("pr7_grow.py").is_file()


def test_a_patch_comes_from_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    folder = clone / "python" / "sglang"
    folder.mkdir(parents=True)
    for table, pages in ((BEFORE["table.py"], BEFORE["pages.py"]), (TABLE, PAGES)):
        (folder / "table.py").write_text(table)
        (folder / "pages.py").write_text(pages)
        if not (clone / ".git").exists():
            git(clone, "init", "-q")
        git(clone, "add", ".")
        git(clone, "commit", "-q", "-m", "[Fix] Rows are padded (#7)")
    told = refault("7", "--commit", "HEAD", "--checkout", "clone", "--sglang", "toy").stdout
    assert told.startswith("pr7_pages_needed.py: 6 edits undo the patch\n")  # as git sorts the files
    assert "the patch is called: [Fix] Rows are padded" in Path("pr7_pages_needed.py").read_text(
        encoding="utf-8"
    )
    with pytest.raises(BadInput, match="has no such commit"):
        refault("7", "--commit", "nothing", "--checkout", "clone", "--sglang", "toy")
    with pytest.raises(BadInput, match="either as --patch FILE or as --commit"):
        refault("7", "--patch", "fix.patch", "--commit", "HEAD", "--sglang", "toy")


def git(clone: Path, *words: str) -> None:
    own = ("-c", "user.name=toy", "-c", "user.email=toy@example.org")
    subprocess.run(["git", "-C", str(clone), *own, *words], check=True, capture_output=True)


COMMON = ("--patch", "fix.patch", "--sglang", "toy")


def test_a_bug_without_a_number_is_drafted_under_a_name(tmp_path: Path) -> None:
    (tmp_path / "named_bugs").mkdir()
    told = refault("--name", "Toy row-width", *COMMON, "--reproducers", "named_bugs").stdout
    assert told.startswith("named_bugs/bug_toy_row_width.py: 6 edits")
    assert "`refault show bug_toy_row_width --reproducers named_bugs`" in told
    found = catalogue.find("toy-row-width", catalogue.read([tmp_path / "named_bugs"]).subjects)
    assert isinstance(found, Reproducer) and found.bug.numbers == ()
    again = refault("--name", "aiter-scale", *COMMON).stdout
    assert "warning: bug_aiter_scale has a reproducer already: " in again
    text = Path("named_bugs/bug_toy_row_width.py").read_text(encoding="utf-8")
    assert text.startswith('"""TODO: the bug in one line.') and "refault matrix bug_toy_row_width`" in text


def test_a_name_goes_behind_a_number() -> None:
    assert refault("7", "--name", "row-width", *COMMON).stdout.startswith("pr7_row_width.py: ")


def test_a_bug_has_a_number_or_a_name_and_then_a_patch() -> None:
    with pytest.raises(BadInput, match="give the pull request's number, or --name WORDS"):
        refault(*COMMON)
    with pytest.raises(BadInput, match="a bug without a number has no patch on GitHub: give --patch FILE"):
        refault("--name", "rows", "--sglang", "toy")
    for name in ("", "a/b", "é"):
        with pytest.raises(BadInput, match="is no name of a module: give words such as"):
            refault("--name", name, *COMMON)


def test_one_fix_of_several_is_drafted() -> None:
    told = refault("7", "--only", "pages_needed", *COMMON).stdout
    assert told.startswith("pr7_pages_needed.py: 1 edit undoes the patch's change of pages_needed\n")
    assert "note: the patch changes Table.grow, Table.shrink too: that stays (--only)" in told


def test_the_tree_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Counted(Searched):
        def __init__(self, tree: Tree) -> None:
            made.append(str(tree.root))
            super().__init__(tree)

    monkeypatch.setattr("harness.draft.deriving.Searched", Counted)
    refault("7", *COMMON)
    assert len(made) == 1
